/** Lines at the end of a terminal that are drawn again and again; elsewhere each is written when it changes. */
const CLEAR_LINE = '\u001b[2K'

export class Screen implements Disposable {
  readonly #output: NodeJS.WriteStream
  #shown: readonly string[] = []

  constructor(output: NodeJS.WriteStream = process.stdout) {
    this.#output = output
  }

  show(lines: readonly string[]): void {
    if (this.#output.isTTY) {
      const width = Math.max(20, this.#output.columns ?? 80)
      const up = this.#shown.length > 0 ? `\u001b[${this.#shown.length}F` : ''
      const cut = lines.map((line) => line.slice(0, width - 1))
      // Lines that are fewer than before leave nothing behind.
      const rest = this.#shown.slice(cut.length).map(() => '')
      const text = [...cut, ...rest].map((line) => `${CLEAR_LINE}${line}\n`).join('')
      this.#output.write(up + text)
      this.#shown = [...cut, ...rest]
      return
    }
    for (const line of lines) if (!this.#shown.includes(line)) this.#output.write(`${line}\n`)
    this.#shown = lines
  }

  [Symbol.dispose](): void {
    this.#shown = []
  }
}
