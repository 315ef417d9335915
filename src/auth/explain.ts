/**
 * Why a signature does not match: the request is signed again as clients are known to sign it by mistake,
 * or as it was before something on the way changed it. Where one of these fits, the client has shown that
 * it has the secret, and can be told what is wrong.
 */
import { canonicalPath, percentDecoded } from './canonical.ts'
import { canonicalRequest, type Evidence, stringToSign } from './evidence.ts'
import { UNSIGNED_PAYLOAD } from './payload-hash.ts'
import { sameSignature } from './signing-key.ts'

const EMPTY_HASH = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** What may have been otherwise when the client signed. */
export interface Surroundings {
  /** Host and path of the configured public URL. */
  readonly publicHost: string | undefined
  readonly publicPath: string
  /** What the request itself says; believed for nothing but this. */
  readonly forwardedHost: string | undefined
}

export interface Explanation {
  /** One sentence: the line that differs, and its likely cause. */
  readonly text: string
  /** The signature fits the sentence: the client has the secret. */
  readonly isProven: boolean
}

interface Guess {
  readonly evidence: Evidence
  /** Canonical. */
  readonly path: string
  readonly text: string
}

export function explain(evidence: Evidence, around: Surroundings): Explanation {
  for (const { evidence: other, path, text } of guesses(evidence, around)) {
    const request = canonicalRequest(other, path)
    const { stamp, scope, signature } = other
    if (sameSignature(scope.key.sign(stringToSign(stamp, scope.text, request)), signature))
      return { text, isProven: true }
  }
  const lost = evidence.headers.labels.filter((_, at) => evidence.values[at] === undefined)
  if (lost.length > 0) {
    const names = lost.map((label) => label.slice(1, -1)).join(', ')
    const text = `signed headers are missing (${names}): something between client and gateway has removed them`
    return { text, isProven: false }
  }
  const text =
    'no known change of the request explains it: the secret key is another one, or a signed header was changed on the way'
  return { text, isProven: false }
}

function* guesses(evidence: Evidence, around: Surroundings): Generator<Guess> {
  const path = canonicalPath(evidence.path)
  yield* hostGuesses(evidence, path, around)
  yield* pathGuesses(evidence, path, around)
  for (const payloadHash of [UNSIGNED_PAYLOAD, EMPTY_HASH]) {
    const text = `the last line, the payload's hash: signed was ${payloadHash}, sent was x-amz-content-sha256: ${evidence.payloadHash}`
    yield { evidence: { ...evidence, payloadHash }, path, text }
  }
  for (const encoding of ['identity', 'gzip', 'gzip, deflate, br', '*/*']) {
    const changed = withHeader(evidence, 'accept-encoding', encoding)
    if (changed === undefined) continue
    const text = `the line accept-encoding: signed was "${encoding}"; a proxy has changed it (the header should not be signed)`
    yield { evidence: changed, path, text }
  }
}

function* hostGuesses(evidence: Evidence, path: string, around: Surroundings): Generator<Guess> {
  const { publicHost, forwardedHost } = around
  const at = evidence.headers.labels.indexOf('\nhost:')
  const host = evidence.values[at]
  if (host === undefined) return
  const bare = host.replace(/:\d+$/, '')
  const others = [
    bare,
    `${bare}:80`,
    `${bare}:443`,
    publicHost,
    forwardedHost,
    forwardedHost?.replace(/:\d+$/, ''),
  ]
  for (const other of others) {
    if (other === undefined || other === host) continue
    const cause =
      other.replace(/:\d+$/, '') === bare
        ? 'client and gateway disagree about the port: a proxy has to pass the Host header on as it came'
        : 'a proxy has replaced the Host header: let it pass the header on, or set trustedProxies and X-Forwarded-Host'
    const text = `the line host: signed was "${other}", received was "${host}"; ${cause}`
    yield { evidence: withHeader(evidence, 'host', other)!, path, text }
  }
}

function* pathGuesses(
  evidence: Evidence,
  path: string,
  { publicPath }: Surroundings,
): Generator<Guess> {
  const others: readonly (readonly [path: string, cause: string])[] = [
    [
      canonicalPath(path.replaceAll('%', '%25')),
      'the key was percent-encoded twice: S3 encodes it once',
    ],
    [percentDecoded(path), 'the key was not percent-encoded'],
    [withoutDots(path), 'dot segments were taken out of the key: S3 leaves it as it is'],
    [path.replace(/\/{2,}/g, '/'), 'slashes of the key were run together: S3 leaves it as it is'],
    [`${path}/`, 'a slash was added to the path'],
    [path.replace(/\/$/, ''), 'the slash at the end of the path was taken off'],
    [publicPath + path, `a proxy takes ${publicPath} off the path: set publicUrl`],
    [
      path.replace(/^\/[^/]+/, '') || '/',
      'the first segment of the path was added on the way, or the bucket belongs into the host name (domains)',
    ],
  ]
  for (const [other, cause] of others) {
    if (other === path) continue
    const text = `the second line, the path: signed was "${other}", received was "${path}"; ${cause}`
    yield { evidence, path: other, text }
  }
}

function withHeader(evidence: Evidence, name: string, value: string): Evidence | undefined {
  const at = evidence.headers.labels.indexOf(`\n${name}:`)
  return at === -1 ? undefined : { ...evidence, values: evidence.values.with(at, value) }
}

/** As URL libraries normalise a path. */
function withoutDots(path: string): string {
  return URL.canParse(path, 'http://h') ? new URL(path, 'http://h').pathname : path
}
