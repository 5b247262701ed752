import Communication
import FlightRecorder
import Foundation
import Topology
import Watchdog

/// What this process leaves for those who ask how the job ended, and its part in the watch of all ranks over each other.
final class JobWatch {
  let recorder: FlightRecorder
  private let watchdog: Watchdog

  /// Begins to record. MPI has been initialised: signals that it would take are taken here from now on.
  init(_ world: some Communicator) {
    recorder = FlightRecorder(rank: world.rank.index, rankCount: world.size, hostName: HostSurvey.ownName)
    DyingWords.install(for: recorder)
    world.job.recorder = recorder
    watchdog = Watchdog(
      recorder, limits: HeartbeatLimits(heartbeat: HeartbeatLimits.defaultHeartbeat, wait: world.waitLimit),
      launcher: Launch.processManager)
  }

  /// Begins to watch; every rank calls it.
  ///
  /// A rank alone has nobody to keep waiting: its watch begins with a run that leaves records.
  func start(over world: any Communicator) throws(CommunicationError) {
    if world.size > 1 { try startWatch(over: world) }
  }

  private func startWatch(over world: any Communicator) throws(CommunicationError) {
    let environment = ProcessInfo.processInfo.environment
    let address = world.rank == Rank(0) ? watchdog.startWatcher(environment: environment) : []
    watchdog.start(try world.broadcastBytes(address, from: Rank(0)))
  }

  /// - Parameter heartbeat: nil for the default.
  func setLimits(heartbeat: Duration?, wait: Duration) {
    watchdog.setLimits(HeartbeatLimits(heartbeat: heartbeat ?? HeartbeatLimits.defaultHeartbeat, wait: wait))
  }

  /// Keeps the records of this run in its folder, in place of an earlier run's; every rank calls it.
  ///
  /// A host that does not see the output directory keeps none: rank 0 saves what it last heard of those ranks.
  func keepRecords(in output: String, over world: any Communicator) throws(Refusal) {
    let folder = "\(output)/\(RecordFolder.name)"
    try world.agree {
      if world.size == 1 { try startWatch(over: world) }
      guard world.rank == Rank(0) else { return }
      try? FileManager.default.removeItem(atPath: folder)
      try makeFolder(folder)
    }
    try world.agree {
      guard FileManager.default.fileExists(atPath: output) else { return }
      try makeFolder(folder)
      do { try recorder.keep(in: RecordFolder.path(in: folder, rank: world.rank.index)) } catch {
        throw Refusal(.cannotCreate, "\(error)")
      }
      watchdog.setFolder(folder)
    }
  }

  private func makeFolder(_ path: String) throws(Refusal) {
    do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
      throw Refusal(.cannotCreate, "\(path): \(error.localizedDescription)")
    }
  }

  /// The rank leaves together with all others.
  func leave(exitCode: Int32, saying text: String) {
    recorder.end(.finished, code: exitCode, text: text)
    watchdog.sayGoodbye()
  }

  /// The rank leaves because of something that the others do not know.
  func fail(_ refusal: Refusal) {
    recorder.end(.error, code: refusal.kind.rawValue, text: refusal.message)
    watchdog.tellOfEnd()
  }
}
