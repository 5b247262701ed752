import Communication
import Foundation
import MoEWorker
import Planning
import TestSupport

/// What a person gives to the program: flags, and files that it wrote itself some time ago.
enum ProgramTargets {
  static let all = [arguments, hostsFile, timeline, calibration]

  /// Arguments with a zero byte between them. One in two: for each command line the library makes all options of the
  /// subcommand anew, three times, and four times more where it refuses it.
  private static let arguments = FuzzTarget(
    "command line", refusal: Refusal.self,
    seeds: [
      "train --corpus a --output b --preset tiny --steps 10 --learning-rate 1e-3 --threads 2 --checkpoint-every=5 --resume",
      "generate --model m --prompt hello --temperature 0.7 --top-p 0.9 --seed 18446744073709551615",
      "evaluate --model m --corpus c --held-out --json", "bench layer --threads 1 --tokens 8192 --experts 16",
      "plan --ranks 4 --hosts 4 --link-rate 1.5gbit --tokens 4096 --json", "timeline t.json --output t.svg",
      "logits --model m --tokens t --output o", "memory --ranks 4 -- train --preset small", "doctor", "help logits",
      "bench matmul --threads 1 --repeat 3", "bench exchange --bytes 65536 --json", "bench step --preset tiny",
      "status r",
    ].map { Array($0.replacingOccurrences(of: " ", with: "\0").utf8) },
    words: [
      "\0", "--", "-", "=", "\0--", "--json", "1gbit", "none", "1e309", "--help", "-h", "--version", "99999999999",
    ],
    share: 2
  ) { input in
    let words = input.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    // These are no ranks: to understand them is to run them.
    guard !words.contains(where: ["blame", "supervise", "watch"].contains) else { return }
    do throws(Refusal) {
      try Job.check(words)
    } catch {
      try hold(error.kind == .usage || error.kind == .configuration, "\(error.kind): \(error)")
      throw error
    }
  }

  private static let namesOfHosts = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_".utf8)

  private static let hostsFile = FuzzTarget(
    "hosts file", refusal: Refusal.self, seeds: FuzzTargets.bytes(["a:4\nnode2 slots=2 # x\n\n# c\n10.0.0.7\n"]),
    words: ["slots=", ":", "#", "@", "-", "$(reboot)", "`reboot`", "'", "*", "a\n", "A", "1024", "\r"]
  ) { input in
    let hosts = try HostsFile(input, path: "h").hosts
    for host in hosts {
      try hold(host.name.utf8.allSatisfy(namesOfHosts.contains) && host.name.first != "-", "a name is \(host.name)")
    }
    let lines = hosts.map { host in host.name + (host.rankCount.map { ":\($0)" } ?? "") }
    let again = try HostsFile(Array(lines.joined(separator: "\n").utf8), path: "h").hosts
    try hold(again.map(\.name) == hosts.map(\.name), "the hosts change when they are written: \(again)")
    try hold(again.map(\.rankCount) == hosts.map(\.rankCount), "the ranks change when they are written: \(again)")
  }

  private static let timeline = FuzzTarget(
    "trace file", refusal: Refusal.self,
    seeds: FuzzTargets.bytes([
      #"{"traceEvents":[{"ph":"M","name":"process_name","pid":0,"tid":0,"args":{"name":"rank 0 (alpha)"}},"#
        + #"{"ph":"X","name":"own rows","cat":"compute","pid":0,"tid":0,"ts":0,"dur":5,"args":{"step":1,"layer":0,"#
        + #""pass":"forward"}},{"ph":"X","name":"rows","cat":"message","pid":1,"tid":1,"ts":2.5,"dur":4,"#
        + #""args":{"direction":"sent","peer":0,"bytes":4096,"chunk":0}}]}"#
    ]), words: ["\"ph\"", "\"X\"", "pid", "dur", "args", "backward", "received", "expert", "1e12", "-1e12"]
  ) { input in
    let ranks = try TraceReader.read(input, path: "t")
    let picture = TimelinePicture.svg(of: ranks)
    try hold(picture.hasSuffix("</svg>\n"), "the picture has no end")
    try hold(!hasStrangeNumbers(picture), "the picture has numbers that are none")
  }

  /// Looks into tags only: a host may be called "nan".
  private static func hasStrangeNumbers(_ picture: String) -> Bool {
    let bytes = Array(picture.utf8)
    var isInTag = false
    for index in bytes.indices {
      let rest = bytes[index...]
      if rest.starts(with: "<".utf8) { isInTag = true }
      if rest.starts(with: ">".utf8) { isInTag = false }
      if isInTag, rest.starts(with: "nan".utf8) || rest.starts(with: "inf".utf8) { return true }
    }
    return false
  }

  private static let calibration = FuzzTarget(
    "calibration", refusal: Refusal.self,
    seeds: FuzzTargets.bytes([
      #"{"format":"switchyard calibration 2","key":{"build":"none","hosts":[{"name":"h","processor":"p","#
        + #""processors":["0"],"ranks":1,"threads":1}]},"machine":{"sameHost":{"latencySeconds":3e-5,"#
        + #""bytesPerSecond":125000000,"messageSeconds":1e-6,"byteSeconds":1e-9},"otherHost":{"latencySeconds":3e-5,"#
        + #""bytesPerSecond":125000000,"messageSeconds":1e-6,"byteSeconds":1e-9},"#
        + #""copyBytesPerSecond":1e10,"soloSpeedup":1.5,"matmul":{"points":["#
        + #"{"rows":16,"flopsPerSecond":1e11},{"rows":512,"flopsPerSecond":2e11}]}}}"#
    ]), words: ["1e18", "1e15", "10.1", "rows", "points"]
  ) { input in
    let machine = try CalibrationFile(json: input, path: "c").machine
    for rows in [1, 16, 17, 1 << 30] {
      let rate = machine.matmul.flopsPerSecond(rows: rows)
      try hold(rate.isFinite && rate > 0, "the rate of \(rows) rows is \(rate)")
    }
    try hold(machine.otherHost.seconds(bytes: 1e9).isFinite, "a message takes forever")
  }
}
