// Cases of the Eclipse Paho interoperability tests that do not pass, each with its reason. A case that is not here must pass.

interface Exception {
  readonly version: '3.1.1' | '5.0'
  readonly name: string
  /** Without: everywhere. */
  readonly when?: readonly string[]
  readonly why: string
}

// prettier-ignore
const exceptions: readonly Exception[] = [
  { version: '3.1.1', name: 'test_subscribe_failure', when: ['pair', 'survivor'], why: 'needs a topic that nobody may subscribe to: run with permissions below' },
  { version: '5.0',   name: 'test_subscribe_failure', why: 'asks for the code 0x80 (unspecified); the refusal says 0x87 (not authorized), as the standard has it (3.9.3)' },
]

export function explained(version: string, name: string, when: string): string | null {
  const found = exceptions.find(
    each => each.version === version && each.name === name && (each.when === undefined || each.when.includes(when)),
  )
  return found?.why ?? null
}
