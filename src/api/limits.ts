/** S3's own limits, and ours where S3 names none; configuration may lower some of them. */

/** UTF-8 bytes. */
export const KEY_BYTES_MAX = 1024
/** Names and values of user metadata together, in bytes. */
export const USER_METADATA_BYTES_MAX = 2048
/** One PUT or one part. */
export const PUT_BYTES_MAX: number = 5 * 1024 ** 3
/** A whole object, reached by parts. */
export const OBJECT_BYTES_MAX: number = 50 * 1024 ** 4
/** All parts but the last. */
export const PART_BYTES_MIN: number = 5 * 1024 ** 2
export const PART_NUMBER_MAX = 10_000
/** CopyObject and one UploadPartCopy. */
export const COPY_BYTES_MAX: number = 5 * 1024 ** 3
/** Keys, versions, uploads, parts in one page. */
export const LIST_PAGE_MAX = 1000
/** Keys in one DeleteObjects. */
export const DELETE_OBJECTS_MAX = 1000
/** An XML document in a request. */
export const XML_BYTES_MAX: number = 8 * 1024 ** 2
export const XML_DEPTH_MAX = 32
/** Grants in one access control list. */
export const GRANTS_MAX = 100
/** Difference between the client's clock and ours, in milliseconds. */
export const CLOCK_SKEW_MAX_MS: number = 15 * 60 * 1000
/** Life of a presigned URL, in seconds. */
export const PRESIGNED_SECONDS_MAX: number = 7 * 24 * 3600
/** Uploads under way of one key. */
export const UPLOADS_PER_KEY_MAX = 1000
/** All fields of an upload by form that come before its file, with their heads and boundaries. */
export const FORM_FIELDS_BYTES_MAX: number = 20 * 1024
