/**
 * The rules of a bucket's lifecycle, made ready, and what they say of one key. Pure: nothing is read or
 * written here.
 *
 * S3 counts days from the creation of a version (of a noncurrent one: from when it was displaced) and
 * rounds up to the next midnight UTC. Where rules disagree, what deletes comes before what moves, and
 * of classes the coldest wins.
 */
import type { LifecycleRule, LifecycleRuleFilter, StorageClass, Tag } from '@aws-sdk/client-s3'
import { compareUtf8 } from '../lib/utf8.ts'
import type { StoredTag, VersionRow } from './rows.ts'

export const DAY_MS = 86_400_000

/** How long a day is. */
export interface Calendar {
  /** 86,400 in earnest; less for whoever wants to see a lifecycle run its course. */
  readonly secondsPerDay: number
}

/** When that many days have gone by: rounded up to midnight where days are real. */
export function dueAt({ secondsPerDay }: Calendar, from: number, days: number): number {
  const due = from + days * secondsPerDay * 1000
  return secondsPerDay * 1000 === DAY_MS ? Math.ceil(due / DAY_MS) * DAY_MS : due
}

/** A day, or so many days after something. */
export type When = { readonly days: number } | { readonly date: number }

export interface Move {
  readonly when: When
  readonly to: StorageClass
  /** Noncurrent versions newer than this many newer noncurrent ones stay. */
  readonly newer: number
}

/** An enabled rule. */
export interface Rule {
  readonly id: string
  readonly prefix: string
  readonly tags: readonly StoredTag[]
  /** Sizes above `over` and below `under`, in bytes. */
  readonly over: number
  readonly under: number
  readonly expires?: When
  /** Delete markers that hide nothing any more go. */
  readonly cleansMarkers: boolean
  readonly moves: readonly Move[]
  readonly noncurrentExpires?: { readonly days: number; readonly newer: number }
  readonly noncurrentMoves: readonly Move[]
  /** Whether sizes are named at all: what is moved must then not be of some least size. */
  readonly namesSize: boolean
  readonly abortDays?: number
}

/** A document as it is kept (dates are text). */
export interface LifecycleDocument {
  readonly rules: readonly LifecycleRule[]
  /** Least size of what is moved, where the client has said so. */
  readonly min?: 'all_storage_classes_128K' | 'varies_by_storage_class'
}

const compiled = new WeakMap<LifecycleDocument, readonly Rule[]>()

/** The enabled rules of a document; made once for each. */
export function rulesOf(document: LifecycleDocument): readonly Rule[] {
  let rules = compiled.get(document)
  if (rules === undefined) {
    rules = document.rules.filter((rule) => rule.Status === 'Enabled').map(ruleOf)
    compiled.set(document, rules)
  }
  return rules
}

function ruleOf(rule: LifecycleRule): Rule {
  const { Filter: filter = {}, Expiration: expiration } = rule
  const { prefix, tags, over, under } = whereOf(filter)
  const expires = whenOf(expiration?.Days, expiration?.Date)
  const { NoncurrentVersionExpiration: old, AbortIncompleteMultipartUpload: abort } = rule
  return {
    id: rule.ID ?? '',
    prefix: rule.Prefix ?? prefix,
    tags: tags.map((tag) => [tag.Key ?? '', tag.Value ?? ''] as const),
    over: over ?? -1,
    under: under ?? Infinity,
    ...(expires !== undefined && { expires }),
    cleansMarkers: expiration?.ExpiredObjectDeleteMarker === true,
    moves: (rule.Transitions ?? []).map((move) => ({
      when: whenOf(move.Date === undefined ? (move.Days ?? 0) : undefined, move.Date)!,
      to: move.StorageClass!,
      newer: 0,
    })),
    ...(old?.NoncurrentDays !== undefined && {
      noncurrentExpires: { days: old.NoncurrentDays, newer: old.NewerNoncurrentVersions ?? 0 },
    }),
    noncurrentMoves: (rule.NoncurrentVersionTransitions ?? []).map((move) => ({
      when: { days: move.NoncurrentDays ?? 0 },
      to: move.StorageClass!,
      newer: move.NewerNoncurrentVersions ?? 0,
    })),
    namesSize: over !== undefined || under !== undefined,
    ...(abort?.DaysAfterInitiation !== undefined && { abortDays: abort.DaysAfterInitiation }),
  }
}

/** What a filter asks for. */
export interface Where {
  readonly prefix: string
  readonly tags: readonly Tag[]
  readonly over: number | undefined
  readonly under: number | undefined
}

/**
 * All that a filter asks for together, whether it stands bare or in And. Some clients write several
 * things bare; they mean all of them.
 */
export function whereOf({ And: and = {}, ...bare }: LifecycleRuleFilter): Where {
  const [a, b] = [bare.Prefix ?? '', and.Prefix ?? '']
  return {
    prefix: a.length > b.length ? a : b,
    tags: [...(bare.Tag === undefined ? [] : [bare.Tag]), ...(and.Tags ?? [])],
    over: and.ObjectSizeGreaterThan ?? bare.ObjectSizeGreaterThan,
    under: and.ObjectSizeLessThan ?? bare.ObjectSizeLessThan,
  }
}

function whenOf(days: number | undefined, date: Date | string | undefined): When | undefined {
  if (days !== undefined) return { days }
  // Documents are kept as text.
  return date === undefined ? undefined : { date: new Date(date).getTime() }
}

/** Whether the rule is about that version of the key. Markers have neither tags nor size, so a rule that asks for them is not about markers. */
export function applies(rule: Rule, key: string, version: VersionRow): boolean {
  if (!key.startsWith(rule.prefix)) return false
  if (version.d === 1) return rule.tags.length === 0 && !rule.namesSize
  if (version.s <= rule.over || version.s >= rule.under) return false
  return rule.tags.every(([name, value]) =>
    version.tg?.some((tag) => tag[0] === name && tag[1] === value),
  )
}

/** When a thing that began at `from` meets `when`, epoch ms. */
export function timeOf(calendar: Calendar, when: When, from: number): number {
  return 'date' in when ? when.date : dueAt(calendar, from, when.days)
}

/** What is to become of a version. */
export type Fate =
  /** The newest version goes: it is removed, or a marker comes before it. */
  | { readonly do: 'expire' }
  /** It goes for good. */
  | { readonly do: 'remove' }
  | { readonly do: 'move'; readonly to: StorageClass }

/** What the rules look at beside the version. */
export interface Moment {
  readonly now: number
  readonly calendar: Calendar
  /** What is said of the least size of what is moved; undefined: any is. */
  readonly min: LifecycleDocument['min']
  /** Whether versions may be moved to a warmer class too, as some stores have it and AWS has not. */
  readonly bothWays: boolean
}

/** What the rules say of the newest version of a key; undefined: it stays as it is. */
export function fateOfHead(
  rules: readonly Rule[],
  key: string,
  head: VersionRow,
  moment: Moment,
): Fate | undefined {
  const { now, calendar } = moment
  const ours = rules.filter((rule) => applies(rule, key, head))
  const isOver = ({ expires }: Rule): boolean =>
    expires !== undefined && timeOf(calendar, expires, head.t) <= now
  if (head.d === 1) {
    if (head.older !== undefined) return undefined
    return ours.some((rule) => rule.cleansMarkers || isOver(rule)) ? { do: 'remove' } : undefined
  }
  if (ours.some(isOver)) return { do: 'expire' }
  const moves = ours.flatMap((rule) =>
    rule.moves.filter((move) => isMovable(rule, move, head, moment)),
  )
  return moveOf(
    moves.filter((move) => timeOf(calendar, move.when, head.t) <= now),
    head,
    head.t,
    moment,
  )
}

/** The same of a noncurrent version. `since`: when it was displaced; `newer`: how many noncurrent versions are newer. */
export function fateOfNoncurrent(
  rules: readonly Rule[],
  key: string,
  version: VersionRow,
  since: number,
  newer: number,
  moment: Moment,
): Fate | undefined {
  const { now, calendar } = moment
  const ours = rules.filter((rule) => applies(rule, key, version))
  for (const { noncurrentExpires: expires } of ours) {
    if (expires === undefined || newer < expires.newer) continue
    if (dueAt(calendar, since, expires.days) <= now) return { do: 'remove' }
  }
  if (version.d === 1) return undefined
  const moves = ours.flatMap((rule) =>
    rule.noncurrentMoves.filter(
      (move) => newer >= move.newer && isMovable(rule, move, version, moment),
    ),
  )
  return moveOf(
    moves.filter((move) => timeOf(calendar, move.when, since) <= now),
    version,
    since,
    moment,
  )
}

/** Smaller objects stay where they are, by S3's default. */
const MOVED_MIN = 128 * 1024

function isMovable(rule: Rule, { to }: Move, version: VersionRow, { min }: Moment): boolean {
  if (min === undefined || rule.namesSize || version.s >= MOVED_MIN) return true
  return min === 'varies_by_storage_class' && (to === 'GLACIER' || to === 'DEEP_ARCHIVE')
}

/** From warm to cold: what is moved is never moved back. */
const BY_WARMTH: readonly StorageClass[] = [
  'STANDARD',
  'STANDARD_IA',
  'INTELLIGENT_TIERING',
  'ONEZONE_IA',
  'GLACIER_IR',
  'GLACIER',
  'DEEP_ARCHIVE',
]

/** Of the moves that are due: the one to the coldest class, or where any class will do, the last one. */
function moveOf(
  moves: readonly Move[],
  version: VersionRow,
  from: number,
  { bothWays, calendar }: Moment,
): Fate | undefined {
  const now = version.sc ?? 'STANDARD'
  if (bothWays) {
    const dueIn = (move: Move): number => timeOf(calendar, move.when, from)
    const last = moves.toSorted((a, b) => dueIn(a) - dueIn(b)).at(-1)
    return last === undefined || last.to === now ? undefined : { do: 'move', to: last.to }
  }
  let warmth = BY_WARMTH.indexOf(now)
  let to: StorageClass | undefined
  for (const move of moves) {
    const cooler = BY_WARMTH.indexOf(move.to)
    if (cooler <= warmth) continue
    warmth = cooler
    to = move.to
  }
  return to === undefined ? undefined : { do: 'move', to }
}

/** When an upload of the key is to be aborted, and by which rule; undefined: by none. */
export function abortionOf(
  rules: readonly Rule[],
  key: string,
  begun: number,
  calendar: Calendar,
): { readonly at: number; readonly rule: string } | undefined {
  let first: { at: number; rule: string } | undefined
  for (const { id, prefix, abortDays } of rules) {
    if (abortDays === undefined || !key.startsWith(prefix)) continue
    const at = dueAt(calendar, begun, abortDays)
    if (first === undefined || at < first.at) first = { at, rule: id }
  }
  return first
}

/** When the newest version of a key expires, in real days, and by which rule; undefined: never. */
export function expiryOf(
  rules: readonly Rule[],
  key: string,
  head: VersionRow,
): { readonly at: number; readonly rule: string } | undefined {
  let first: { at: number; rule: string } | undefined
  for (const rule of rules) {
    if (rule.expires === undefined || !applies(rule, key, head)) continue
    const at = timeOf({ secondsPerDay: DAY_MS / 1000 }, rule.expires, head.t)
    if (first === undefined || at < first.at) first = { at, rule: rule.id }
  }
  return first
}

/** The prefixes that together cover all that the rules are about, in order, none within another. */
export function prefixesOf(rules: readonly Rule[]): readonly string[] {
  const prefixes: string[] = []
  for (const prefix of rules.map((rule) => rule.prefix).toSorted(compareUtf8)) {
    const last = prefixes.at(-1)
    if (last === undefined || !prefix.startsWith(last)) prefixes.push(prefix)
  }
  return prefixes
}
