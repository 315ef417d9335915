import { describe, expect, it } from 'vitest'
import { canonicalPath, canonicalQuery, percentDecoded } from './canonical.ts'
import { canonicalValue } from './signed-headers.ts'

describe('a canonical path', () => {
  it.each([
    ['/bucket/a//b/./../c/', '/bucket/a//b/./../c/'],
    ['/b/a b', '/b/a%20b'],
    ['/b/%7e%2E%41-_', '/b/~.A-_'],
    ['/b/%c3%bC', '/b/%C3%BC'],
    ['/b/Ã¼', '/b/%C3%BC'],
    ["/b/+*'()!:@$&=,;", '/b/%2B%2A%27%28%29%21%3A%40%24%26%3D%2C%3B'],
    ['/b/a%2Fb%2fc', '/b/a/b/c'],
    ['/b/%25%2B', '/b/%25%2B'],
    ['/b/%', '/b/%25'],
    ['/b/%4', '/b/%254'],
    ['/b/%zz%4g', '/b/%25zz%254g'],
    ['/b/%00%FF', '/b/%00%FF'],
  ])('of %j is %j', (path, canonical) => {
    expect(canonicalPath(path)).toBe(canonical)
    expect(canonicalPath(canonical)).toBe(canonical)
  })
})

describe('a canonical query', () => {
  it.each([
    ['', ''],
    ['uploads', 'uploads='],
    ['delimiter=/&max-keys=2&prefix=f/', 'delimiter=%2F&max-keys=2&prefix=f%2F'],
    ['b=1&a=2', 'a=2&b=1'],
    ['a=2&a=1&a=2', 'a=1&a=2&a=2'],
    ['a-b=0&a=1', 'a=1&a-b=0'],
    ['a%2D=1&a=2', 'a=2&a-=1'],
    ['%62=1&a=2', 'a=2&b=1'],
    ['x=a+b%20c%7e', 'x=a%2Bb%20c~'],
    ['x=a=b', 'x=a%3Db'],
    ['a=%3b%2f', 'a=%3B%2F'],
    ['=v', '=v'],
    ['&&a=1&', 'a=1'],
    ['B=1&a=1', 'B=1&a=1'],
    ['?=1', '%3F=1'],
  ])('of %j is %j', (query, canonical) => {
    expect(canonicalQuery(query)).toBe(canonical)
  })

  it('leaves out the one parameter named', () => {
    expect(canonicalQuery('a=1&S=x&SS=2', 'S')).toBe('SS=2&a=1')
    expect(canonicalQuery('S=x', 'S')).toBe('')
  })
})

it('a percent-encoded text is decoded once', () => {
  expect(percentDecoded('a%2fb%252F%zz%+%e')).toBe('a/b%2F%zz%+%e')
})

it('a header value loses the blanks around it, and keeps one of each run', () => {
  for (const [sent, value] of [
    ['  a  b ', 'a b'],
    ['a\tb\t \tc', 'a b c'],
    ['\ta', 'a'],
    ['   ', ''],
    ['', ''],
    [' voilÃ\u00A0', 'voilÃ\u00A0'],
  ] as const) {
    expect(canonicalValue(sent)).toBe(value)
  }
})
