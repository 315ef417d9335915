/**
 * Pages of a vast object, committed before the head that names them, where one commit cannot hold all.
 *
 * The upload's row lists the manifests of which there may be such pages (`drafts`); only the last one
 * may yet become the object's, so a Complete that puts its own behind another's has taken the claim
 * from it. Every commit that writes or removes such a page also writes that row.
 */
import type { Context } from './context.ts'
import { dropDrafts } from './end-upload.ts'
import type { Manifest, ManifestPage } from './manifest.ts'
import { type SealedUpload, sealedTx } from './seal.ts'

/** What one commit takes of pages; it has other rows to write besides. */
const PAGES_PER_COMMIT = 24
const PAGE_BYTES_PER_COMMIT: number = 3 * 1024 * 1024

/** What is left to the last commit. */
export interface Rest {
  /** The manifest that has to be the last of the upload's `drafts`; undefined: there are to be none. */
  readonly draft: string | undefined
  readonly pages: readonly ManifestPage[]
}

/** Commits pages ahead where there are too many for one commit. Undefined where the seal or the claim was broken. */
export async function writeAhead(
  ctx: Context,
  sealed: SealedUpload,
  { id, pages }: Manifest,
): Promise<Rest | undefined> {
  const bytes = pages.reduce((sum, page) => sum + page.bytes, 0)
  const fits = pages.length <= PAGES_PER_COMMIT && bytes <= PAGE_BYTES_PER_COMMIT
  if (fits && sealed.upload.drafts === undefined) return { draft: undefined, pages }
  if (!(await claimDrafts(ctx, sealed, id))) return undefined
  if (fits) return { draft: id, pages }
  for (const some of inCommits(pages)) {
    const written = await sealedTx(ctx, sealed, async (tx, upload, put) => {
      if (upload.drafts?.at(-1) !== id) return false
      for (const { sort, parts } of some) tx.put('page', sort, { p: parts })
      put(upload)
      return true
    })
    if (written !== true) return undefined
  }
  return { draft: id, pages: [] }
}

/** Makes `manifest` the one that may yet become the object's, and removes the pages of all before it. */
async function claimDrafts(ctx: Context, sealed: SealedUpload, manifest: string): Promise<boolean> {
  for (;;) {
    const step = await sealedTx(ctx, sealed, async (tx, upload, put) => {
      const { drafts = [] } = upload
      if (!drafts.includes(manifest)) {
        put({ ...upload, drafts: [...drafts, manifest] })
        return drafts.length === 0 ? 'claimed' : 'again'
      }
      if (drafts.at(-1) !== manifest) return 'lost'
      const dropped = await dropDrafts(tx, drafts.slice(0, -1))
      put(dropped ? upload : { ...upload, drafts: [manifest] })
      return dropped ? 'again' : 'claimed'
    })
    if (step !== 'again') return step === 'claimed'
  }
}

function* inCommits(pages: readonly ManifestPage[]): Generator<readonly ManifestPage[]> {
  let some: ManifestPage[] = []
  let bytes = 0
  for (const page of pages) {
    if (some.length === PAGES_PER_COMMIT || bytes + page.bytes > PAGE_BYTES_PER_COMMIT) {
      yield some
      some = []
      bytes = 0
    }
    some.push(page)
    bytes += page.bytes
  }
  yield some
}
