/**
 * Bytes in motion. Whoever takes a Body reads it to its end once, or calls `return` on its iterator.
 *
 * A chunk belongs to the reader only until it asks for the next one (its memory is then reused):
 * copy what must be kept longer. Chunks have any length, 0 excepted.
 */
export type Body = AsyncIterable<Uint8Array>
