/// Something that may happen next.
enum Step: Hashable, Sendable, CustomStringConvertible {
    /// How a request that is sent in one step ends.
    enum Fate: Int, Hashable, Sendable, CaseIterable {
        /// Handled and answered.
        case done
        /// The hub never gets it.
        case lost
        /// Handled, and the answer is lost.
        case answerLost
        /// The agent gives up; it arrives later.
        case late
        /// Handled and answered, and it arrives again later.
        case repeated
        /// The hub's transaction fails at its commit, and nothing is answered.
        case notCommitted
    }

    case order
    case orderChecked
    case cancel(operation: Int)
    case forget(backup: Int)
    case write(host: Int, project: Int)
    case straggle(host: Int, project: Int)
    case claim(hub: Int, operation: Int)
    case run(hub: Int, operation: Int, isAnswerLost: Bool)
    case commit(hub: Int, index: Int)
    case beat(hub: Int)
    case crashHub(Int)
    case takeBack(operation: Int)
    case wake(operation: Int)
    case expire(session: Int)
    /// As `expire`, of a process that is gone.
    case lapse(session: Int)
    case expireCopy(Int)
    case call(host: Int, slot: Request.Slot, fate: Fate)
    case send(host: Int, slot: Request.Slot)
    case handle(host: Int, index: Int, fate: Fate)
    case receive(host: Int, index: Int)
    case giveUp(host: Int, index: Int, isLate: Bool)
    case stray(Int)
    case work(host: Int, operation: Int)
    case fail(host: Int, operation: Int)
    case failForGood(host: Int, operation: Int)
    case fence(host: Int, operation: Int)
    case observe(host: Int, project: Int)
    case crash(host: Int)
    case restart(host: Int)
    case pause(host: Int)
    case resume(host: Int)
    case skew(hub: Int)
    case tick(slow: Int)

    var description: String {
        switch self {
        case .order: "people: the next order"
        case .orderChecked: "people: insert the order that was checked"
        case .cancel(let operation): "people: cancel operation \(operation)"
        case .forget(let backup): "hub: forget backup \(backup)"
        case .write(let host, let project): "project \(project): writes on host \(host)"
        case .straggle(let host, let project):
            "project \(project): an open descriptor writes on host \(host)"
        case .claim(let hub, let operation): "hub \(hub): claims operation \(operation)"
        case .run(let hub, let operation, let isLost):
            "hub \(hub): steps operation \(operation)" + (isLost ? ", and does not hear it" : "")
        case .commit(let hub, let index): "hub \(hub): takes a step of commit \(index)"
        case .beat(let hub): "hub \(hub): heartbeat"
        case .crashHub(let hub): "hub \(hub): crashes"
        case .takeBack(let operation): "sweep: takes operation \(operation) back"
        case .wake(let operation): "sweep: wakes operation \(operation)"
        case .expire(let session): "clock: session \(session) runs out"
        case .lapse(let session): "clock: the orphaned session \(session) runs out"
        case .expireCopy(let copy): "sweep: copy \(copy) expires"
        case .call(let host, let slot, let fate): "host \(host): \(slot) \(fate)"
        case .send(let host, let slot): "host \(host): sends \(slot)"
        case .handle(let host, let index, let fate):
            "hub: handles call \(index) of host \(host): \(fate)"
        case .receive(let host, let index): "host \(host): hears the answer of call \(index)"
        case .giveUp(let host, let index, let isLate):
            "network: call \(index) of host \(host) breaks" + (isLate ? " and arrives later" : "")
        case .stray(let index): "network: stray \(index) arrives"
        case .work(let host, let operation): "host \(host): works on operation \(operation)"
        case .fail(let host, let operation): "host \(host): operation \(operation) fails"
        case .failForGood(let host, let operation):
            "host \(host): operation \(operation) fails for good"
        case .fence(let host, let operation): "host \(host): fences operation \(operation)"
        case .observe(let host, let project): "host \(host): looks at project \(project)"
        case .crash(let host): "host \(host): its agent is killed"
        case .restart(let host): "host \(host): its agent starts"
        case .pause(let host): "host \(host): its agent is stopped"
        case .resume(let host): "host \(host): its agent is continued"
        case .skew(let hub): "hub \(hub): its clock jumps"
        case .tick(let slow): "clock: a tick" + (slow < 0 ? "" : ", not at host \(slow)")
        }
    }
}
