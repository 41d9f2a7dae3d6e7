// The faults of the world that a journal can meet. Damage is always named with file and offset, so that an operator can
// look; nothing here is ever repaired by guessing.

import { defineErrors } from '../base/errors.ts'

export const journalError = defineErrors('JOURNAL', {
  CLOSED: {
    what: 'The journal takes no more records ({why}).',
    remedy: 'The server stops by itself and the peer takes over; the cause stands in an earlier line.',
  },
  FAILED: {
    what: 'Writing the journal file {segment} failed while {doing}: {cause}.',
    remedy:
      'Nothing is known about the last records of this server. Check the disk, then start the server again; it brings itself up to date from the peer.',
  },
  FULL: {
    what: 'There is no room on the disk for the next journal file {segment}: {cause}.',
    remedy: 'Make room on the disk of the data directory, then start the server again.',
  },
  SPARE: {
    what: 'The next journal file could not be prepared ahead: {cause}.',
    remedy: 'Make room on the disk of the data directory before the present journal file is full.',
  },
  CLEANING: {
    what: 'The file {name}, which is no longer needed, could not be removed: {cause}.',
    remedy: 'Check the disk and the rights of the data directory. The file is tried again at the next start.',
  },
  DAMAGED: {
    what: 'The file {segment} is damaged at offset {offset}, where record {sequence} should be: {why}.',
    remedy:
      'This copy must not serve. Check the disk; move the data directory away, and let this server take a fresh copy from its peer.',
  },
  GAP: {
    what: 'Records {from} to {to} are missing: there is no file with them before {segment}.',
    remedy:
      'A journal file was removed. Put it back, or move the data directory away and let this server take a fresh copy from its peer.',
  },
  VERSION: {
    what: 'The file {segment} has format {found}; this program reads format {known}.',
    remedy: 'Start the version of the program that wrote it, or let this server take a fresh copy from its peer.',
  },
  LIMITS: {
    what: 'Journal files of {segmentBytes} bytes cannot hold a record of {recordBytes} bytes.',
    remedy: 'Raise the size of journal files to at least {leastBytes}, or lower the largest message size.',
  },
  BATCH: {
    what: 'Records received for the journal are not what should follow record {after}: {why}.',
    remedy: 'The connection to the peer is dropped and synchronized again. If it comes back, check the network path.',
  },
  GONE: {
    what: 'Record {sequence} is no longer (or not yet) in the journal, which holds {from} to {to}.',
    remedy: 'The peer is brought up to date with a snapshot instead.',
  },
  BUSY: {
    what: 'The journal cannot do this now: {why}.',
    remedy: 'It is tried again when the work under way has ended.',
  },
  ASIDE: {
    what: 'Records after {sequence} could not be put aside into a quarantine file: {cause}.',
    remedy: 'Nothing was cut off. Make room on the disk of the data directory; it is tried again.',
  },
  SNAPSHOT: {
    what: 'A snapshot could not be written: {cause}.',
    remedy:
      'Make room on the disk of the data directory. The journal goes on and keeps its files until the next attempt.',
  },
  QUARANTINE: {
    what: 'The quarantine file {name} cannot be read: {why}.',
    remedy: 'Restore the file from a backup of the data directory.',
  },
})

export const causeText = (error: unknown): string => (error instanceof Error ? error.message : String(error))
