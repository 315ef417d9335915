/** For tests: a gate on a real server, before an S3 that remembers what it was asked. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { S3Api } from '../api/operations.ts'
import { S3Error } from '../api/error.ts'
import type { Authenticator, BodyScheme, SignedRequest } from '../auth/authenticator.ts'
import { makeUser } from '../auth/user.ts'
import type { Body } from '../lib/stream.ts'
import { fakeSigner } from './aws-chunked.fixture.ts'
import { openGate, SERVER_OPTIONS, type GateOptions, type RequestEntry } from './open.ts'
import { Wire } from './wire.fixture.ts'

export const ALICE = { id: 'alice', displayName: 'Alice' }
const ALICES = {
  requester: ALICE,
  user: makeUser({ ...ALICE, isAdmin: false, policies: undefined }),
  accessKeyId: 'AK',
  authType: 'REST-HEADER',
  signatureVersion: 'AWS4-HMAC-SHA256',
  signedMs: 0,
} as const
/** The header that makes a request Alice's. */
export const SIGNED = 'authorization: Fake alice\r\n'

/** Believes whoever says `Fake alice`; refuses other claims. Chunks are signed by `fakeSigner`. */
export const fakeAuthenticator: Authenticator = {
  authenticate(request) {
    const authorization = request.header('authorization')
    if (authorization === undefined) return undefined
    if (authorization !== 'Fake alice') throw new S3Error('SignatureDoesNotMatch')
    return { ...ALICES, body: schemeOf(request) }
  },
  answerSts() {
    throw new S3Error('AccessDenied')
  },
  authenticateForm({ fields }) {
    const signature = fields.get('signature')
    if (signature === undefined) return undefined
    if (signature !== 'Fake alice') throw new S3Error('SignatureDoesNotMatch')
    return { identity: { ...ALICES, body: { kind: 'unsigned' } }, bounds: { min: 2, max: 100_000 } }
  },
}

function schemeOf(request: SignedRequest): BodyScheme {
  const value = request.header('x-amz-content-sha256')
  if (value === undefined || value === 'UNSIGNED-PAYLOAD') return { kind: 'unsigned' }
  if (value.length === 64) return { kind: 'sha256', hex: value }
  const trailer = value.endsWith('-TRAILER')
  if (value.startsWith('STREAMING-UNSIGNED')) return { kind: 'chunked', trailer }
  return { kind: 'chunked', signer: fakeSigner(), trailer }
}

export interface TestGate extends AsyncDisposable {
  readonly port: number
  readonly entries: readonly RequestEntry[]
  /** Opens a connection; closed with the gate. */
  wire(): Wire
  /** One request on a connection of its own. */
  ask(head: string, body?: string | Uint8Array): ReturnType<Wire['answer']>
  /** Resolves once so many requests have been seen. */
  arrived(count: number): Promise<void>
  /** Resolves once the server has no connection left. */
  deserted(): Promise<void>
  /** Resolves once so many requests are over. */
  settled(count: number): Promise<readonly RequestEntry[]>
}

export async function startGate(api: S3Api, options: Partial<GateOptions> = {}): Promise<TestGate> {
  const entries: RequestEntry[] = []
  const wires: Wire[] = []
  const seen = { requests: 0 }
  let wake: (() => void) | undefined
  const gate = openGate({
    api,
    authenticator: {
      authenticate(request) {
        seen.requests++
        return fakeAuthenticator.authenticate(request)
      },
      authenticateForm: (form) => fakeAuthenticator.authenticateForm(form),
      answerSts: (request, body) => fakeAuthenticator.answerSts(request, body),
    },
    control: {
      ready: async () => ({ metadata: 'ok' }),
      metrics: async () => 'up 1\n',
      metricsToken: undefined,
      openapi: () => '{"openapi":"3.1.0"}',
    },
    controlOnMain: true,
    region: 'eu-test-1',
    onRequest: (entry) => {
      entries.push(entry)
      wake?.()
    },
    ...options,
  })
  const server = createServer(SERVER_OPTIONS)
  gate.attach(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const open = (): Wire => {
    const wire = new Wire(port)
    wires.push(wire)
    return wire
  }
  return {
    port,
    entries,
    wire: open,
    ask: (head, body = '') => open().send(`${head}\r\n`, body).answer(head.split(' ')[0]),
    async arrived(count) {
      while (seen.requests < count) await sleep(2)
    },
    async deserted() {
      while ((await promisify(server.getConnections.bind(server))()) > 0) await sleep(2)
    },
    async settled(count) {
      while (entries.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return entries
    },
    async [Symbol.asyncDispose]() {
      for (const wire of wires) wire[Symbol.dispose]()
      gate[Symbol.dispose]()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

export async function readAll(body: Body | Uint8Array): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body)
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

const name = (input: { Bucket?: string | undefined; Key?: string | undefined }): string => {
  if (input.Bucket === 'gone') throw new S3Error('NoSuchBucket')
  return `${input.Bucket}/${input.Key}`
}

/** An S3 that holds whole objects in a map; an upload that fails stores nothing. Bucket `gone` does not exist. */
export function fakeS3(inlineMax = 1000): S3Api & { readonly objects: Map<string, Buffer> } {
  const objects = new Map<string, Buffer>()
  return {
    objects,
    async PutObject(input) {
      const id = name(input)
      const body = await readAll(await input.Body!.take(inlineMax, ['md5']))
      objects.set(id, body)
      return { ETag: `"${input.Body!.digest('md5')}"` }
    },
    async GetObject(input) {
      const body = objects.get(name(input))
      if (body === undefined) throw new S3Error('NoSuchKey', { fields: { Key: input.Key! } })
      return { Body: body, ContentLength: body.length, ContentType: 'text/plain' }
    },
    async HeadObject(input) {
      const body = objects.get(name(input))
      if (body === undefined) throw new S3Error('NoSuchKey')
      return { ContentLength: body.length, ContentType: 'text/plain' }
    },
    async DeleteObject(input) {
      objects.delete(name(input))
      return {}
    },
    async DeleteObjects(input) {
      return { Deleted: (input.Delete?.Objects ?? []).map(({ Key }) => ({ Key })) }
    },
    async CreateBucket(input) {
      return { Location: `/${input.Bucket}` }
    },
  }
}
