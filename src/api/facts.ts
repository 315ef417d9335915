/**
 * What authorization has to know of what is stored. src/s3 tells it (facts.ts there), src/auth judges
 * by it, and neither knows the other.
 */

/** A grant of an access control list: READ, WRITE, READ_ACP, WRITE_ACP or FULL_CONTROL, and for whom. */
export type Grant = readonly [
  permission: string,
  kind: 'id' | 'uri' | 'email',
  who: string,
  displayName?: string,
]

export interface AccessList {
  readonly owner: readonly [id: string, displayName: string]
  readonly grants: readonly Grant[]
}

/** Who owns what others put into a bucket, and whether access control lists count (S3, "Object Ownership"). */
export type Ownership = 'BucketOwnerEnforced' | 'BucketOwnerPreferred' | 'ObjectWriter'

/** S3, "Blocking public access": what of a bucket is not to be public, whatever its lists and policy say. */
export interface PublicAccessBlock {
  /** No list that is public can be set. */
  readonly acls?: 1
  /** Lists that are public grant nothing to the public. */
  readonly ignoreAcls?: 1
  /** No policy that is public can be set. */
  readonly policy?: 1
  /** A policy that is public grants nothing to others than the owner's own. */
  readonly restrict?: 1
}

/** What a bucket's row says of access; small, and at hand for most requests. */
export interface BucketFacts {
  readonly owner: readonly [id: string, displayName: string]
  /** Absent: the owner alone. */
  readonly acl?: AccessList
  /** Absent: ObjectWriter. */
  readonly ownership?: Ownership
  readonly block?: PublicAccessBlock
  /** Ids of its documents by their kinds: `policy` is one, with a new id at every change. */
  readonly config?: { readonly [kind: string]: string }
  /** Others than the owner may have put objects of their own into it. */
  readonly shared?: 1
}

/** What an object's (or a version's) row says of access. */
export interface ObjectFacts {
  readonly owner: string
  /** Absent: its owner alone. */
  readonly acl: AccessList | undefined
  readonly tags: Readonly<Record<string, string>>
}

export interface Facts {
  /** At most a second old. Rejects with NoSuchBucket. */
  bucket(name: string): BucketFacts | Promise<BucketFacts>
  /** The bucket's policy and its id; undefined where it has none. Rejects with NoSuchBucket. */
  policy(bucket: string): Promise<readonly [id: string, text: string] | undefined>
  /** Undefined: there is no such object or version, or it is a delete marker. */
  object(
    bucket: string,
    key: string,
    versionId: string | undefined,
  ): Promise<ObjectFacts | undefined>
  /** Id of who began the upload; undefined: there is none of that id. */
  initiator(bucket: string, key: string, uploadId: string): Promise<string | undefined>
}

/** What the rules of policies say of a document that somebody wants to be a bucket's policy. */
export interface PolicyTraits {
  /** S3, "The meaning of public". */
  readonly isPublic: boolean
  /** It may let others than the owner put objects. */
  readonly opensToWriters: boolean
}

/** A service of AWS's names that wants to do something for a bucket; policies name it as a principal. */
export interface ServiceAct {
  /** `logging.s3.amazonaws.com` */
  readonly service: string
  readonly action: string
  /** What it is to be done to. */
  readonly bucket: string
  readonly key: string
  /** For whom: a bucket, and the canonical id of its owner. */
  readonly sourceBucket: string
  readonly sourceOwner: string
}

/** The rules of policies; src/auth has them, src/s3 asks before it stores. */
export interface PolicyRules {
  /** Throws MalformedPolicy, in S3's words, where the text is no policy for that bucket. */
  check(text: string, bucket: string): PolicyTraits
  /** Whether the text, which is a policy of `act.bucket`, lets that service do this. */
  lets(text: string, act: ServiceAct): boolean
}
