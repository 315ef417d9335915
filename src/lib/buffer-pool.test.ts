import { expect, test } from 'vitest'
import { BufferPool } from './buffer-pool.ts'

test('a buffer given back is lent again', () => {
  const pool = new BufferPool(1024, 2)
  const first = pool.take()
  expect(first.length).toBe(1024)
  expect(pool.lent).toBe(1)
  pool.give(first)
  expect(pool.lent).toBe(0)
  expect(pool.take()).toBe(first)
})

test('two that are out at the same time share no memory', () => {
  const pool = new BufferPool(16, 2)
  const [a, b] = [pool.take(), pool.take()]
  a.fill(1)
  b.fill(2)
  expect(a.every((byte) => byte === 1)).toBe(true)
})

test('no more are kept than was said', () => {
  const pool = new BufferPool(16, 1)
  const [a, b] = [pool.take(), pool.take()]
  pool.give(a)
  pool.give(b)
  expect([pool.take(), pool.take()]).not.toContain(b)
})

test('giving one back twice, or one of somebody else, is refused', () => {
  const pool = new BufferPool(16, 2)
  const buffer = pool.take()
  pool.give(buffer)
  expect(() => pool.give(buffer)).toThrow('not lent')
  expect(() => pool.give(Buffer.alloc(16))).toThrow('not lent')
})
