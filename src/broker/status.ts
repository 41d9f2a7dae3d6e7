// What an operator may see of the broker, as plain data.

export interface QueueStatus {
  /** The sequence of the record that declared it. */
  readonly id: number
  readonly name: string
  /** Messages in the queue, delivered ones included; without those whose record is not known to be safe. */
  readonly messages: number
  readonly bytes: number
  /** Published, the record not known to be safe yet. */
  readonly pending: number
  /** Delivered and not settled. */
  readonly unsettled: number
  readonly consumers: number
}

export interface BrokerStatus {
  readonly serving: boolean
  /** The record up to which the state speaks. */
  readonly sequence: number
  readonly connections: number
  readonly messages: number
  /** As the limits count them. */
  readonly bytes: number
  /** What the bodies of all small messages really take. */
  readonly pageBytes: number
  readonly queues: readonly QueueStatus[]
}
