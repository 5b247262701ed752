import Foundation
import Glibc

/// Hosts that `launch/namespaces.sh` makes of network namespaces.
package enum TestHosts {
  package static let script = path(of: "namespaces.sh")

  /// Of a script in `launch`.
  package static func path(of script: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../../launch/\(script)").standardized.path
  }

  package static let canBeMade =
    geteuid() == 0
    && ["ip", "tc"].allSatisfy { tool in
      ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].contains {
        FileManager.default.isExecutableFile(atPath: "\($0)/\(tool)")
      }
    }

  /// Why they cannot be made.
  package static let requirement = "making hosts out of namespaces needs root, and ip and tc (iproute2)"
}
