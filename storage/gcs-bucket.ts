/** The bucket of Google Cloud Storage that a storage lives in: its objects as the package has them, and their addresses. */
import type { Bucket, File } from '@google-cloud/storage'
import type { GcsClient, GcsOptions } from './gcs-client.ts'
import { BlobKeys } from './remote-keys.ts'
import type { BlobId } from './store.ts'

export class GcsBucket extends BlobKeys implements Disposable {
  readonly name: string
  /** For messages: where the bucket is. */
  readonly place: string
  readonly client: GcsClient
  /** The package's own. */
  readonly objects: Bucket

  constructor(options: GcsOptions, client: GcsClient) {
    super(options.prefix)
    this.place = options.endpoint ?? 'Google Cloud Storage'
    this.client = client
    this.objects = client.bucket(options.bucket)
    this.name = this.objects.name
  }

  file(id: BlobId): File {
    return this.objects.file(this.keyOf(id))
  }

  /** What a blob's bytes are read from. */
  mediaUrl(id: BlobId): string {
    return `${this.client.baseUrl}${this.#objectsPath()}/${encodeURIComponent(this.keyOf(id))}?alt=media`
  }

  /** What a whole blob is sent to. */
  uploadUrl(id: BlobId): string {
    const query = `uploadType=media&name=${encodeURIComponent(this.keyOf(id))}`
    return `${this.client.apiEndpoint}/upload/storage/v1${this.#objectsPath()}?${query}`
  }

  /** An address that the service gave: an emulator may know itself by another host. */
  given(url: string): string {
    const { pathname, search } = new URL(url)
    return this.client.isGoogle ? url : this.client.apiEndpoint + pathname + search
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]()
  }

  #objectsPath(): string {
    return `/b/${encodeURIComponent(this.name)}/o`
  }
}
