// Certificates for tests, made by openssl where the test runs: no private key lies in the repository.

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

export interface TestCertificate {
  readonly certFile: string
  readonly keyFile: string
  readonly caFile: null
}

/** A self-signed certificate in `folder`, or null where there is no openssl. */
export function makeCertificate(folder: string, name: string): TestCertificate | null {
  const certFile = join(folder, `${name}.cert.pem`)
  const keyFile = join(folder, `${name}.key.pem`)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile]
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
  try {
    execFileSync('openssl', ['req', '-x509', ...key, '-out', certFile, '-days', '2', ...subject], { stdio: 'ignore' })
  } catch {
    return null
  }
  return { certFile, keyFile, caFile: null }
}
