// What commands are tried on: the admin API over HTTP, in front of a server made of plain values.

import { openAdminPort, type AdminPort } from '../../src/server/admin-http.ts'
import { FakeSubject } from '../admin/subject.ts'

/** An admin port in front of a subject of its own, for the tests of one `describe`. */
export function adminPort(): { readonly subject: FakeSubject; readonly url: string } {
  const subject = new FakeSubject()
  let port: AdminPort
  before(async () => {
    const options = { host: '127.0.0.1', port: 0, token: null, subject, log: () => {} }
    port = await new Promise((resolve, reject) =>
      openAdminPort(options, (error, opened) => (opened === null ? reject(error as Error) : resolve(opened))),
    )
  })
  after(() => new Promise<void>(resolve => port.close(resolve)))
  return {
    subject,
    get url() {
      return `http://127.0.0.1:${port.port}`
    },
  }
}
