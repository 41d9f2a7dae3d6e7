// Faults of putting a server together on a real machine.

import { defineErrors } from '../base/errors.ts'

export const serverError = defineErrors('SERVER', {
  'DATA-IN-USE': {
    what: 'The data directory {directory} is in use by another process.',
    remedy:
      'The same profile is running already, or its broker is still ending; look for it, or give each server its own dataDirectory.',
  },
  'DATA-DIRECTORY': {
    what: 'The data directory {directory} cannot be used: {reason}',
    remedy: 'Create it, or correct its owner and rights, or name another one as dataDirectory.',
  },
  'DATA-OPEN': {
    what: 'Every user of this machine may enter the data directory {directory}, where messages and what is kept of passwords lie, and that cannot be changed: {reason}',
    remedy: 'Take their rights away (chmod o-rwx), as its owner. The server starts all the same.',
  },
  'PORT-IN-USE': {
    what: 'The {purpose} port {host}:{port} cannot be opened ({reason}).',
    remedy: 'End what uses it, or set {key} to a free port; the address must be one of this machine.',
  },
  'NO-SUCH-HOST': {
    what: 'The {purpose} cannot listen on {host}, which is no address and no name that is known here ({reason}).',
    remedy: 'Name an address of this machine, or 0.0.0.0 for all of them.',
  },
  'BAD-CERTIFICATE': {
    what: 'The certificate or key for {purpose} cannot be used: {reason}',
    remedy: 'Check that the files named by {key} are PEM, belong together, and are readable.',
  },
  'OLD-CERTIFICATE': {
    what: 'The changed certificate or key for {purpose} cannot be used, and the one from before is used on: {reason}',
    remedy:
      'Check that the files named by {key} are PEM, belong together, and are readable; they are looked at again when they change.',
  },
  AUDIT: {
    what: 'The audit log {file} cannot be written: {problem}.',
    remedy:
      'Make room, or correct security.auditLog and its rights. Clients are served; how many entries are lost is written with the next one.',
  },
  'BROKEN-PROMISE': {
    what: 'This server found itself in a state that must not be: {reason}',
    remedy: 'It stops so that its peer takes over. Please report this line with the lines before it.',
  },
})
