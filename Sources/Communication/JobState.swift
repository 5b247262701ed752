package import FlightRecorder
package import Topology

/// What all communicators of one rank share: who it is in the job, what it is doing, and whether it can go on.
package final class JobState {
  package let worldRank: Rank
  package let worldSize: Int

  /// What this rank is doing.
  package var activity = Activity(.start) {
    didSet { if activity != oldValue { noteActivity() } }
  }
  /// How long a wait may see no request complete before it is reported as an error.
  package var waitLimit: Duration
  /// What this rank has sent and received so far.
  package internal(set) var traffic = Traffic()
  /// Bytes that this rank has sent to each rank of the job.
  package private(set) var sentByteCounts: [Int]
  /// An operation failed. Requests may be left in flight from here on, and MPI cannot be finalized.
  package private(set) var hasFailed = false
  /// Learns what the rank is doing, if anybody wants to know.
  package var observer: (any JobObserver)?
  /// Keeps what the rank does for whoever asks how it ended.
  package var recorder: FlightRecorder? { didSet { if recorder !== oldValue { noteActivity() } } }
  /// The faults that a test asks for. None in any other run: then an activity costs one look at an empty array.
  var failPoints: [FailPoint] = []
  var announceFault: ((String) -> Void)?
  /// The next message that is sent will not arrive.
  var losesNextMessage = false

  /// Makes callers of MPI take turns; nil while this rank's own thread is the only one.
  var callLock: CallLock?
  private var progressThread: ProgressThread?

  /// How many requests have completed: a wait makes progress when this moves.
  package private(set) var completedRequestCount = 0

  init(worldRank: Rank, worldSize: Int, waitLimit: Duration) {
    self.worldRank = worldRank
    self.worldSize = worldSize
    self.waitLimit = waitLimit
    sentByteCounts = Array(repeating: 0, count: worldSize)
  }

  /// Notes that the job cannot go on, and makes the error that says why.
  ///
  /// Also for those who find that a message is not what it should be: with an error made otherwise, the program would
  /// still think that it can end in an orderly way.
  package func fail(_ code: CommunicationError.Code, _ message: String) -> CommunicationError {
    hasFailed = true
    return CommunicationError(code, rank: worldRank, activity: activity, message: message)
  }

  /// From here on the thread moves messages, and calls of MPI take turns with it.
  func adopt(_ thread: ProgressThread) { progressThread = thread }

  /// Ends the thread that moves messages, if there is one.
  func endProgressThread() {
    progressThread?.stop()
    progressThread = nil
    callLock = nil
  }

  private func noteActivity() {
    recorder?.enter(activity.phase.rawValue, step: activity.step, layer: activity.layer)
    observer?.activityChanged(to: activity)
    if !failPoints.isEmpty { sufferFaults() }
  }

  /// An optimizer step begins.
  package func beginStep() { recorder?.beginStep() }

  /// The optimizer step is done.
  package func endStep() { recorder?.endStep() }

  /// A wait has seen no request complete for a noticeable time.
  func noteStall(in operation: String, missing: some Sequence<Rank>) {
    recorder?.beginWait(for: operation, missing: Set(missing).sorted().map(\.index))
    observer?.waitStalled(in: operation)
  }

  /// A wait that had stalled goes on.
  func noteResumption() {
    recorder?.endWait()
    observer?.waitResumed()
  }

  /// Counts a message that was handed to the transport.
  func noteSend(byteCount: Int, to peer: Rank, tag: Tag) {
    recorder?.sent(to: peer.index, byteCount: byteCount, tag: Int(tag.value))
    traffic.sentMessageCount += 1
    traffic.sentByteCount += byteCount
    sentByteCounts[peer.index] += byteCount
  }

  /// Marks a request as done and counts what it received.
  func complete(_ request: Request, receivedByteCount: Int) {
    request.isDone = true
    completedRequestCount += 1
    guard request.direction == .receive else { return }
    request.receivedByteCount = receivedByteCount
    recorder?.received(from: request.worldPeer.index, byteCount: receivedByteCount, tag: Int(request.tag.value))
    traffic.receivedMessageCount += 1
    traffic.receivedByteCount += receivedByteCount
  }
}

/// Messages and bytes that a rank has sent and received over all its communicators, those to itself included.
package struct Traffic: Hashable, Sendable {
  package var sentMessageCount = 0
  package var sentByteCount = 0
  package var receivedMessageCount = 0
  package var receivedByteCount = 0

  /// What has been added since an earlier moment.
  package func since(_ earlier: Traffic) -> Traffic {
    Traffic(
      sentMessageCount: sentMessageCount - earlier.sentMessageCount,
      sentByteCount: sentByteCount - earlier.sentByteCount,
      receivedMessageCount: receivedMessageCount - earlier.receivedMessageCount,
      receivedByteCount: receivedByteCount - earlier.receivedByteCount)
  }
}

/// Somebody who keeps track of what a rank is doing.
package protocol JobObserver: AnyObject {
  func activityChanged(to activity: Activity)
  /// A wait has seen no request complete for a noticeable time.
  func waitStalled(in operation: String)
  /// A wait that had stalled goes on.
  func waitResumed()
}
