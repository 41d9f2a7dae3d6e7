// Stands in for ActiveMQ's class of this name, as far as the tests use it.

package org.apache.activemq.broker;

import org.apache.activemq.broker.jmx.BrokerViewMBean;
import org.apache.qpid.jms.support.Control;

public class BrokerService {

    public void start() {
        Control.ask("/start");
    }

    public void waitUntilStarted() {
    }

    public void stop() {
        Control.ask("/stop");
    }

    public void waitUntilStopped() {
    }

    public boolean isPersistent() {
        return true;
    }

    public BrokerViewMBean getAdminView() {
        return new BrokerViewMBean();
    }
}
