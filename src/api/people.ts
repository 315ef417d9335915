/** Whom grants of access control lists can name; src/auth knows the users, src/s3 asks. */
export interface People {
  /** Display name of the user of that canonical id; undefined: there is none. */
  name(id: string): string | undefined
  byEmail(email: string): readonly [id: string, displayName: string] | undefined
}
