// How a queue or a client is subscribed to a topic filter.

export interface BindingOptions {
  /** Highest quality of service; a message that this makes QoS 0 does not go into a session's queue. */
  readonly qos: 0 | 1 | 2
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  /** Subscription identifier of MQTT; 0: none. */
  readonly id: number
}

/** As a message in a queue remembers it. */
export const gradeOf = ({ qos, retainAsPublished }: BindingOptions): number => qos | (retainAsPublished ? 4 : 0)

/** The grade of a message that matches several filters of one queue: the best of each. */
export const joinedGrade = (a: number, b: number): number => Math.max(a & 3, b & 3) | (a & 4) | (b & 4)
