/** Work on the items of a stream, a bounded number of them at the same time. */

/**
 * Calls `work` for each item, at most `count` at once, in the order of the source. The first failure
 * ends it: nothing more is begun, what is under way is waited for, then the failure is thrown.
 */
export async function atOnce<T>(
  source: AsyncIterable<T>,
  count: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const items = source[Symbol.asyncIterator]()
  let failure: { readonly error: unknown } | undefined
  const worker = async (): Promise<void> => {
    while (failure === undefined) {
      try {
        const step = await items.next()
        if (step.done === true) return
        await work(step.value)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: count }, worker))
  await items.return?.()
  if (failure !== undefined) throw failure.error
}
