// The SASL layer's frames and what is in them. Who may come in is decided by the port `authenticate`; when it may be
// asked, and what follows, by connection.ts.

import type { Decoder } from './decode.ts'
import { encodePerformative, readFields, saslFrames } from './performatives.ts'
import { array, sym, ubyte } from './types.ts'

export type Mechanism = 'ANONYMOUS' | 'PLAIN'

export const SASL_FRAME = 1
export const SASL_OK = 0
export const SASL_AUTH = 1

export interface Credentials {
  readonly mechanism: Mechanism
  readonly user: string
  readonly password: string
}

export const encodeMechanisms = (mechanisms: readonly Mechanism[]): Buffer =>
  encodePerformative(saslFrames.mechanisms, [array(mechanisms.map(sym))])

export const encodeOutcome = (code: number): Buffer => encodePerformative(saslFrames.outcome, [ubyte(code)])

/** Who the client says it is, or the mechanism alone where that cannot be understood or is not offered. */
export const readInit = (
  decoder: Decoder,
  offered: readonly Mechanism[],
): Credentials | { readonly mechanism: string; readonly user: null } => {
  const init = readFields(decoder, saslFrames.init)
  const mechanism = offered.find(m => m === init.mechanism)
  if (mechanism === undefined) return { mechanism: init.mechanism, user: null }
  const response = init.initialResponse === null ? '' : Buffer.from(init.initialResponse).toString('utf8')
  if (mechanism === 'ANONYMOUS') return { mechanism, user: 'anonymous', password: '' }
  // PLAIN: authorization identity NUL user NUL password. To act for somebody else is not offered.
  const parts = response.split('\0')
  const [identity, user, password] = parts
  if (parts.length !== 3 || !user || password === undefined || (identity !== '' && identity !== user)) {
    return { mechanism, user: null }
  }
  return { mechanism, user, password }
}
