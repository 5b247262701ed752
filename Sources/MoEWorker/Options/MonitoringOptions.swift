import ArgumentParser
import Communication
import Monitoring
import Topology
import Watchdog

/// Who may look at a run while it goes on.
struct MonitoringOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Serve Prometheus metrics at http://127.0.0.1:PORT/metrics on rank 0's host; 0 takes any free port. (default: off)",
      valueName: "port"),
    transform: Parse.port)
  var metricsPort: UInt16?

  /// Takes the port, on rank 0; every rank calls it, so that all refuse one that cannot be had.
  func takePort(_ worker: Worker) throws(Refusal) -> MetricsServer? {
    guard let metricsPort else { return nil }
    return try worker.world.agree {
      guard worker.world.rank == Rank(0) else { return nil }
      do throws(SocketError) {
        return try MetricsServer(port: metricsPort)
      } catch {
        throw Refusal(
          error.isForbidden ? .noPermission : .unavailable,
          "--metrics-port \(metricsPort): \(error); give another port, or 0 for any")
      }
    }
  }
}
