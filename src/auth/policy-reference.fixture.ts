/**
 * A second evaluator of policies, for tests: straight from IAM's text, without compiling, caching or
 * ordering anything, and sharing nothing with the first. It knows what the generator of the tests makes.
 */
export interface ReferenceRequest {
  readonly who: readonly string[]
  readonly action: string
  readonly resource: string
  readonly keys: Readonly<Record<string, readonly string[]>>
}

type Element = string | readonly string[]

export interface ReferenceStatement {
  readonly Effect: 'Allow' | 'Deny'
  readonly Principal?: '*' | { readonly AWS: Element }
  readonly NotPrincipal?: { readonly AWS: Element }
  readonly Action?: Element
  readonly NotAction?: Element
  readonly Resource?: Element
  readonly NotResource?: Element
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, Element>>>>
}

const list = (element: Element): readonly string[] =>
  typeof element === 'string' ? [element] : element

/** Wildcards by trying every split: slow, and plainly right. */
export function like(pattern: string, text: string): boolean {
  if (pattern === '') return text === ''
  if (pattern[0] === '*') {
    for (let skip = 0; skip <= text.length; skip++)
      if (like(pattern.slice(1), text.slice(skip))) return true
    return false
  }
  if (text === '') return false
  return (pattern[0] === '?' || pattern[0] === text[0]) && like(pattern.slice(1), text.slice(1))
}

export function decide(
  statements: readonly ReferenceStatement[],
  request: ReferenceRequest,
): 'deny' | 'allow' | 'none' {
  const applying = statements.filter((statement) => applies(statement, request))
  if (applying.some(({ Effect }) => Effect === 'Deny')) return 'deny'
  return applying.length > 0 ? 'allow' : 'none'
}

function applies(s: ReferenceStatement, request: ReferenceRequest): boolean {
  const { who, action, resource, keys } = request
  const names = (element: '*' | { readonly AWS: Element }): boolean =>
    element === '*' || list(element.AWS).some((name) => name === '*' || who.includes(name))
  const isMeant =
    s.NotPrincipal === undefined
      ? s.Principal === undefined || names(s.Principal)
      : !names(s.NotPrincipal)
  const does = (element: Element): boolean =>
    list(element).some((each) => like(each.toLowerCase(), action.toLowerCase()))
  const isAction = s.Action === undefined ? !does(s.NotAction!) : does(s.Action)
  const on = (element: Element): boolean => list(element).some((each) => like(each, resource))
  const isResource = s.Resource === undefined ? !on(s.NotResource!) : on(s.Resource)
  const holds = Object.entries(s.Condition ?? {}).every(([operator, tests]) =>
    Object.entries(tests).every(([key, values]) => test(operator, keys[key] ?? [], list(values))),
  )
  return isMeant && isAction && isResource && holds
}

/** One operator on all that the request says under the key. */
function test(operator: string, said: readonly string[], wanted: readonly string[]): boolean {
  const [, quantifier = '', name = '', ifExists] =
    /^(ForAllValues:|ForAnyValue:)?(.+?)(IfExists)?$/.exec(operator) ?? []
  if (name === 'Null') return wanted.some((value) => (value === 'true') === (said.length === 0))
  const isNot = /^String.*Not|^NumericNot|^NotIp/.test(name)
  const meets = (value: string): boolean => wanted.some((each) => one(name, value, each))
  if (said.length === 0 && ifExists) return true
  if (quantifier === 'ForAllValues:')
    return said.every((value) => (isNot ? !meets(value) : meets(value)))
  if (quantifier === 'ForAnyValue:')
    return said.some((value) => (isNot ? !meets(value) : meets(value)))
  return isNot ? !said.some(meets) : said.some(meets)
}

function one(name: string, value: string, wanted: string): boolean {
  switch (name) {
    case 'StringEquals':
    case 'StringNotEquals':
      return value === wanted
    case 'StringEqualsIgnoreCase':
    case 'StringNotEqualsIgnoreCase':
      return value.toLowerCase() === wanted.toLowerCase()
    case 'StringLike':
    case 'StringNotLike':
      return like(wanted, value)
    case 'NumericEquals':
    case 'NumericNotEquals':
      return Number(value) === Number(wanted)
    case 'NumericLessThan':
      return Number(value) < Number(wanted)
    case 'NumericGreaterThanEquals':
      return Number(value) >= Number(wanted)
    case 'Bool':
      return value === wanted
    case 'IpAddress':
    case 'NotIpAddress':
      return inNetwork(value, wanted)
    default:
      throw new Error(`the reference does not know ${name}`)
  }
}

/** IPv4 alone, bit by bit. */
function inNetwork(address: string, network: string): boolean {
  const bits = (text: string): string =>
    text
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('')
  const [base = '', prefix = '32'] = network.split('/')
  return bits(address).slice(0, Number(prefix)) === bits(base).slice(0, Number(prefix))
}
