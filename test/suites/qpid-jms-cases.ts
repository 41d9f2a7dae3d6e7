// Which of Qpid JMS's interoperability tests do not pass against a pair, and why each is right not to.

/** Not compiled: they make an ActiveMQ broker of their own. */
export const excluded: ReadonlySet<string> = new Set([
  'JmsSSLConnectionTest',
  'JmsWSConnectionTest',
  'JmsWSSConnectionTest',
  'producer/JmsProducerFlowControlFailIfNoSpaceTest',
])

const UNDELIVERABLE =
  'counts on ActiveMQ, which takes `modified` with undeliverable-here for rejected: here it stays for other consumers, as AMQP 1.0 has it (3.4.5). With `jms.redeliveryPolicy.outcome=REJECTED` it is a dead letter (LockstepTest)'

const cases: Readonly<Record<string, string>> = {
  'transactions.JmsTransactionRedeliveryPolicyTest.testSyncConsumeAndRollbackWithMaxRedeliveries': UNDELIVERABLE,
  'transactions.JmsTransactionRedeliveryPolicyTest.testAsyncConsumeAndRollbackWithMaxRedeliveries': UNDELIVERABLE,
  'failover.JmsTxProducerFailoverTest.testTxProducerSendAfterFailoverCommits':
    'waits until its producer is there again, where the stand-in sees its connection only: now and then it sends before its transaction is there again, and is told so',
  'failover.JmsOfflineBehaviorTests.testClosedReourcesAreNotRestored':
    'asks for the number of producers; the stand-in answers with that of connections',
}

export const explained = (name: string): string | null => cases[name] ?? null
