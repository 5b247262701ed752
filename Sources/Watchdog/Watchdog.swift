package import FlightRecorder
import Synchronization

/// A rank's part of the watch over the job, which never enters MPI.
///
/// Every rank has a thread that writes a heartbeat into the rank's record and sends the record, a few times within the
/// heartbeat limit, to a process that rank 0 has started (`Watcher`). That process judges all ranks. It is no rank, so it
/// is still there when the launcher, within milliseconds of losing one rank, has killed all others; it says what happened,
/// and has the job ended where the launcher does not do so.
///
///     rank 0 listens and starts the watcher;  address and secret travel over MPI;  each rank's thread connects
package final class Watchdog: Sendable {
  struct State {
    var limits: HeartbeatLimits
    var folder: String?
    var wish = Wish.goOn
  }

  /// What the rank's own thread wants of the watching one.
  enum Wish { case goOn, sayGoodbye, tellOfEnd }

  /// What the threads of a rank share.
  final class Shared: Sendable {
    let recorder: FlightRecorder
    /// The launcher's connection to this process, if there is a launcher.
    let launcher: Int32?
    let bell = Bell()
    /// The first try to connect is over.
    let hasTried = Atomic<Bool>(false)
    let state: Mutex<State>

    init(_ recorder: FlightRecorder, _ limits: HeartbeatLimits, launcher: Int32?) {
      self.recorder = recorder
      self.launcher = launcher
      state = Mutex(State(limits: limits))
    }
  }

  private let shared: Shared
  private let thread = Mutex<WatchThread?>(nil)

  /// - Parameter launcher: the number that `mpirun` gives in the variable `PMI_FD` of the environment.
  package init(_ recorder: FlightRecorder, limits: HeartbeatLimits, launcher: Int32?) {
    shared = Shared(recorder, limits, launcher: launcher)
  }

  /// The subcommand of this program that is the watching process, and the variable that tells it the secret.
  package static let command = "watch"
  package static let secretVariable = "SWITCHYARD_WATCH"

  /// Starts the watching process; for rank 0.
  ///
  /// - Returns: where it listens, to be told to all ranks; empty where it cannot be started.
  package func startWatcher(environment: [String: String]) -> [UInt8] {
    guard let (listener, port) = Socket.listen() else { return [] }
    defer { listener.close() }
    let address = WatchAddress(hosts: Socket.ownAddresses(), port: port)
    var environment = environment.filter { !$0.key.hasPrefix("PMI_") }
    environment[Self.secretVariable] = address.secretText
    // Held until this process ends, however it does.
    let lifeline = makePipe()
    let arguments = [Self.command, "\(shared.recorder.rankCount)"]
    let isStarted = WatcherProcess.start(
      arguments, environment: environment, listener: listener, lifeline: lifeline.read)
    Socket(descriptor: lifeline.read).close()
    return isStarted ? address.bytes : []
  }

  /// Starts the thread, and waits until it has tried to connect: a rank that dies from then on is known.
  ///
  /// - Parameter address: the watching process's; without one nobody is watched.
  package func start(_ address: [UInt8]) {
    guard let address = WatchAddress(bytes: address) else { return }
    let shared = shared
    let watch = WatchThread {
      var spoke = SpokeWatch(shared, address: address)
      spoke.run()
    }
    thread.withLock { $0 = watch }
    var tries = 1000
    while !shared.hasTried.load(ordering: .acquiring) && tries > 0 {
      Socket.wait(for: [], milliseconds: 1)
      tries -= 1
    }
  }

  /// Replaces the limits that the watch began with.
  package func setLimits(_ limits: HeartbeatLimits) {
    shared.state.withLock { $0.limits = limits }
    shared.bell.ring()
  }

  /// The folder in which the ranks of this host keep their records.
  package func setFolder(_ folder: String) {
    shared.state.withLock { $0.folder = folder }
    shared.bell.ring()
  }

  /// The rank leaves in an orderly way, and is not missed.
  package func sayGoodbye() { end(.sayGoodbye) }

  /// The rank's record says how it ended: tells the watching process.
  package func tellOfEnd() { end(.tellOfEnd) }

  private func end(_ wish: Wish) {
    guard let thread = thread.withLock({ $0.take() }) else { return }
    shared.state.withLock { $0.wish = wish }
    shared.bell.ring()
    thread.join()
  }
}

extension Watchdog.Shared {
  /// Ends the whole job, after the record says why.
  func endJob() -> Never {
    if let launcher { askLauncherToEnd(launcher, exitCode: FailureCause.peerLostCode) }
    leaveAtOnce(FailureCause.peerLostCode)
  }
}
