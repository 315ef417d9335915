/** A server that an engine of an end-to-end run needs. */
export interface EngineServer {
  readonly kind: 'metadata' | 'storage'
  /** As `--metadata` or `--storage` names it. */
  readonly engine: string
  start(): Promise<Started>
  /** What a gateway has to be told for a place of its own; the variables of `start` are set. */
  environment(): Promise<Readonly<Record<string, string>>>
}

export interface Started extends AsyncDisposable {
  /** What `environment` needs: test files are other processes, and know of it by variables. */
  readonly variables: Readonly<Record<string, string>>
}

/** A variable that `start` has set. */
export function known(name: string): string {
  const value = process.env[name]
  if (value === undefined)
    throw new Error(`${name} is unset: the engine was not started for this run`)
  return value
}
