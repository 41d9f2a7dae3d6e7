// The broker's coded errors: what a server can find wrong with records and snapshots that it is to fold into its state.
// What a client did wrong is a Refusal (api.ts), not an error.

import { defineErrors } from '../base/errors.ts'

export const brokerError = defineErrors('BROKER', {
  RECORD: {
    what: 'Record {sequence} of kind {kind} cannot be folded into the state of the queues: {why}.',
    remedy:
      'If the other server runs a newer version, upgrade this one first. Otherwise one journal is damaged: stop this server, move its data directory away and start it again; it copies everything from the other server.',
  },
  SNAPSHOT: {
    what: 'The snapshot of the queues is damaged or of an unknown form: {why}.',
    remedy:
      'Stop this server, move its data directory away and start it again; it copies everything from the other server.',
  },
  PAGE: {
    what: 'Messages that memory had no room for cannot be read again from the page file: {why}.',
    remedy:
      'They are safe in the journal: this server stops, the other one takes over, and after a start it has all of them again. Check the disk of the data directory.',
  },
  CLOSED: {
    what: 'The journal takes no more records, so nothing more is accepted from clients: {why}',
    remedy: 'The server stops and the other one takes over; look for the fault of the disk that was reported before.',
  },
})
