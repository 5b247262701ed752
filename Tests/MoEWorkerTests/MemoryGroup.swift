import Foundation

/// A control group whose processes have so much memory between them, of version 1 or 2. It goes away with the test.
final class MemoryGroup {
  static let canBeMade = MemoryGroup(bytes: 1 << 30) != nil

  private let path: String

  init?(bytes: Int) {
    let places = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]
    for (parent, limit) in places {
      let group = "\(parent)/switchyard-\(UUID().uuidString)"
      guard mkdir(group, 0o755) == 0 else { continue }
      // An ordinary folder has no such file, and opening for writing makes none.
      if let file = FileHandle(forWritingAtPath: "\(group)/\(limit)"),
        (try? file.write(contentsOf: Data("\(bytes)".utf8))) != nil
      {
        path = group
        return
      }
      rmdir(group)
    }
    return nil
  }

  deinit { rmdir(path) }

  /// Runs `moe-worker` on some ranks, all of them and their launcher in the group.
  func run(_ arguments: [String], ranks: Int, environment: [String: String]) throws -> Program.Outcome {
    let enter = "echo $$ >\(path)/cgroup.procs && exec \"$@\""
    let command = [Program.launcher, "-np", "\(ranks)", Program.executable] + arguments
    return try Program.run("/bin/sh", ["-c", enter, "sh"] + command, environment, limit: 60)
  }
}
