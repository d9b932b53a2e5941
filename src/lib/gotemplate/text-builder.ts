/** Text that is put together from very many small parts. */

/** So many parts become one text: the strings of JavaScript keep their parts, which would take many times the memory of the text. */
const PARTS = 4096

export class TextBuilder {
  #text = ''
  #parts: string[] = []

  add(part: string): void {
    if (this.#parts.push(part) < PARTS) return
    this.#text += this.#parts.join('')
    this.#parts = []
  }

  get text(): string {
    return this.#text + this.#parts.join('')
  }
}
