/**
 * Which peers send wrong data. WebTorrent takes a piece that failed its hash from anybody again, be it from
 * the one that spoiled it; here whoever was alone with it, or was there too often, is told apart.
 */

/** Spoiled pieces to which a peer may have added among others. */
const SUSPICIONS_MAX = 3

export class Blame<Peer> {
  /** Who sent something of a piece that is not whole yet. */
  readonly #senders = new Map<number, Set<Peer>>()
  readonly #suspicions = new Map<Peer, number>()

  sent(piece: number, peer: Peer): void {
    const senders = this.#senders.get(piece)
    if (senders === undefined) this.#senders.set(piece, new Set([peer]))
    else senders.add(peer)
  }

  /** The piece is right, and so were all who sent it. */
  clear(piece: number): void {
    for (const peer of this.#senders.get(piece) ?? []) this.#suspicions.delete(peer)
    this.#senders.delete(piece)
  }

  /** Those who should not be asked again. */
  spoiled(piece: number): readonly Peer[] {
    const senders = [...(this.#senders.get(piece) ?? [])]
    this.#senders.delete(piece)
    if (senders.length === 1) return senders
    return senders.filter((peer) => {
      const suspicions = (this.#suspicions.get(peer) ?? 0) + 1
      this.#suspicions.set(peer, suspicions)
      return suspicions > SUSPICIONS_MAX
    })
  }

  forget(peer: Peer): void {
    this.#suspicions.delete(peer)
  }
}
