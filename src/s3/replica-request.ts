/** Writes that another gateway's replication makes: they say so (`x-amz-replication-status: REPLICA`), and need a right of their own. */
import type { Call } from '../api/operations.ts'
import { demand } from './demand.ts'
import type { Address } from './object-input.ts'

/** Whether the write says that it is a replica's; the model has no such member (openapi/patches.ts). */
export function saysReplica(input: object): boolean {
  return (input as { readonly ReplicationStatus?: string }).ReplicationStatus !== undefined
}

/** Rejects with AccessDenied for who may not write replicas. */
export async function demandReplica(
  call: Call,
  action: 's3:ReplicateObject' | 's3:ReplicateDelete',
  address: Address,
): Promise<void> {
  await demand(call, action, address)
}
