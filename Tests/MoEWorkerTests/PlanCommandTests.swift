import Foundation
import Testing

@Suite(.serialized) struct PlanCommandTests {
  /// Runs `plan` with a cache of its own.
  private func plan(_ arguments: String, _ folder: Folder, calibration: String? = nil) throws -> Program.Outcome {
    try Program.run(
      ["plan"] + arguments.split(separator: " ").map(String.init) + (calibration.map { ["--calibration", $0] } ?? []),
      environment: ["XDG_CACHE_HOME": folder.file("cache")])
  }

  private func fields(_ outcome: Program.Outcome) throws -> [String: Any] {
    try #require(outcome.exitCode == 0, "\(outcome)")
    let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    return try #require(object as? [String: Any], "\(outcome)")
  }

  private func number(_ name: String, _ fields: [String: Any]) throws -> Double {
    try #require(fields[name] as? Double, "\(name) of \(fields)")
  }

  @Test func predictsAStep() throws {
    let folder = try Folder()
    let file = try folder.write("machine", Calibration.text())
    let arguments = "--ranks 4 --hosts 4 --link-rate 1gbit --tokens 4096 --json"
    var steps: [String: Double] = [:]
    for schedule in ["sequential", "pairwise", "eager"] {
      let found = try fields(try plan("\(arguments) --schedule \(schedule)", folder, calibration: file))
      let step = try number("step_milliseconds", found)
      steps[schedule] = step
      #expect(try number("bound_milliseconds", found) <= step)
      #expect(try number("exposed_exchange_milliseconds", found) < step)
      #expect(try number("memory_bytes_per_rank", found) > 8 / 4 * 3 * 512 * 1792 * 16)
      #expect(["compute", "exchange"].contains(found["bound_by"] as? String))
      #expect(found["schedule"] as? String == schedule && found["ranks"] as? Int == 4 && found["hosts"] as? Int == 4)
      #expect(try number("semi_ideal_gflops", found) < number("ideal_gflops", found))
    }
    #expect(steps["eager", default: .infinity] < steps["sequential", default: 0])
    #expect(try folder.contents().keys.sorted() == ["machine"], "a given calibration is enough")
  }

  @Test func slowLinksBindAndFastOnesDoNot() throws {
    let folder = try Folder()
    let file = try folder.write("machine", Calibration.text())
    let slow = try fields(try plan("--ranks 4 --hosts 4 --link-rate 100mbit --json", folder, calibration: file))
    let fast = try fields(try plan("--ranks 4 --hosts 4 --link-rate none --json", folder, calibration: file))
    #expect(slow["bound_by"] as? String == "exchange" && fast["bound_by"] as? String == "compute")
    #expect(try number("step_milliseconds", slow) > 2 * number("step_milliseconds", fast))
  }

  @Test func theCalibrationSaysHowFastTheLinksAre() throws {
    let folder = try Folder()
    let file = try folder.write("machine", Calibration.text(hosts: 2, linkBytesPerSecond: 1.25e8))
    let known = try fields(try plan("--ranks 4 --hosts 4 --json", folder, calibration: file))
    let told = try fields(try plan("--ranks 4 --hosts 4 --link-rate 1gbit --json", folder, calibration: file))
    #expect(try number("step_milliseconds", known) == number("step_milliseconds", told))
    let alone = try folder.write("alone", Calibration.text(hosts: 1))
    expectRefusal(
      try plan("--ranks 4 --hosts 4", folder, calibration: alone), exitCode: 64, saying: "--link-rate")
  }

  @Test func relaysWinAmongManyRanksOfAHostAndAreNoneAmongSingleOnes() throws {
    let folder = try Folder()
    let file = try folder.write("machine", Calibration.text())
    func planned(_ arguments: String) throws -> (step: Double, route: String?) {
      let found = try fields(
        try plan("--link-rate 25gbit --tokens 8192 --json \(arguments)", folder, calibration: file))
      return (try number("step_milliseconds", found), found["route"] as? String)
    }
    let many = "--ranks 128 --hosts 8 --experts 128 --hidden-size 64 --intermediate-size 64"
    let (direct, relayed) = try (planned(many), planned("\(many) --route two-level"))
    #expect(direct.route == "direct" && relayed.route == "two-level")
    #expect(relayed.step < direct.step, "112 messages of a few rows to other hosts, or one a host")
    let single = try (planned("--ranks 4 --hosts 4"), planned("--ranks 4 --hosts 4 --route two-level"))
    #expect(single.1.route == "direct" && single.0.step == single.1.step)
    expectRefusal(
      try plan(
        "--ranks 4 --hosts 2 --link-rate 1gbit --route two-level --schedule pairwise", folder, calibration: file),
      exitCode: 64, saying: "pairwise")
  }

  @Test func aThousandRanksTakeSeconds() throws {
    let folder = try Folder()
    let file = try folder.write("machine", Calibration.text())
    let outcome = try plan(
      "--ranks 1024 --hosts 128 --link-rate 25gbit --tokens 262144 --experts 1024 --skew 0.5 --json", folder,
      calibration: file)
    #expect(try number("step_milliseconds", try fields(outcome)) > 0)
    #expect(outcome.seconds < 30, "10 s on a machine that does nothing else: \(outcome)")
  }

  @Test func itRunsAlone() throws {
    expectRefusal(
      try Program.run("plan --ranks 2 --hosts 2 --link-rate 1gbit".split(separator: " ").map(String.init), ranks: 2),
      exitCode: 64, saying: "without mpirun")
  }
}

/// What `plan` keeps of a machine, and what it makes of files that are something else.
@Suite(.serialized) struct CalibrationTests {
  private static let plan = "plan --ranks 2 --hosts 2 --link-rate 1gbit --json".split(separator: " ").map(String.init)

  private func run(_ folder: Folder, _ more: [String] = [], cache: String? = nil) throws -> Program.Outcome {
    try Program.run(Self.plan + more, environment: ["XDG_CACHE_HOME": cache ?? folder.file("cache")])
  }

  private func kept(in folder: Folder) throws -> String {
    let names = try folder.contents().keys.filter { $0.hasPrefix("cache/switchyard/calibration-") }
    try #require(names.count == 1, "\(names)")
    return names.first ?? ""
  }

  @Test func isMeasuredOnceAndKept() throws {
    let folder = try Folder()
    let first = try run(folder)
    #expect(first.exitCode == 0 && first.errors.isEmpty, "\(first)")
    let name = try kept(in: folder)
    let text = try folder.text(name)
    let second = try run(folder)
    #expect(second.output == first.output && second.errors.isEmpty, "\(second)")
    #expect(try folder.text(name) == text)
    let third = try run(folder, ["--calibrate"])
    #expect(third.exitCode == 0 && third.errors.isEmpty)
    #expect(try folder.text(name) != text, "measured anew, no number can be the same by chance")
  }

  @Test func ofAnotherBuildIsSaidSoAndMeasuredAgain() throws {
    let folder = try Folder()
    _ = try run(folder)
    let name = try kept(in: folder)
    let changed = try folder.text(name).replacingOccurrences(of: " bytes of ", with: " bytes of 1")
    try folder.write(name, changed)
    let outcome = try run(folder)
    #expect(outcome.exitCode == 0 && outcome.errorLines.count == 1, "\(outcome)")
    #expect(outcome.errors.contains("another build") && outcome.errors.contains("calibrating again"), "\(outcome)")
    #expect(try folder.text(name) != changed)
    #expect(try run(folder).errors.isEmpty)
  }

  @Test func ofOtherHostsIsSaidSoAndMeasuredAgain() throws {
    let folder = try Folder()
    _ = try run(folder)
    let name = try kept(in: folder)
    try folder.write(name, try folder.text(name).replacingOccurrences(of: "\"threads\" : 1", with: "\"threads\" : 7"))
    let outcome = try run(folder)
    #expect(outcome.exitCode == 0 && outcome.errorLines.count == 1, "\(outcome)")
    #expect(outcome.errors.contains("other hosts") && outcome.errors.contains("calibrating again"), "\(outcome)")
  }

  @Test("a corrupt one is said so and measured again", arguments: Calibration.hostile)
  func corrupt(content: String) throws {
    let folder = try Folder()
    _ = try run(folder)
    let name = try kept(in: folder)
    try folder.write(name, content)
    let outcome = try run(folder)
    #expect(outcome.exitCode == 0 && outcome.errorLines.count == 1, "\(outcome)")
    #expect(outcome.errors.contains("calibrating again"), "\(outcome)")
    #expect(try folder.text(name) != content)
  }

  @Test func aCacheThatCannotBeWrittenIsSaidSo() throws {
    let folder = try Folder()
    // A file where the folder should be.
    let blocked = try folder.write("blocked", "")
    let outcome = try run(folder, cache: blocked)
    #expect(outcome.exitCode == 0 && outcome.errorLines.count == 1, "\(outcome)")
    #expect(outcome.errors.contains("not kept"), "\(outcome)")
    #expect(!outcome.output.isEmpty)
  }

  @Test func aNamedFileIsWrittenWhenAskedFor() throws {
    let folder = try Folder()
    let made = try run(folder, ["--calibrate", "--calibration", folder.file("mine")])
    #expect(made.exitCode == 0 && made.errors.isEmpty, "\(made)")
    #expect(try folder.contents().keys.sorted() == ["mine"])
    let used = try run(folder, ["--calibration", folder.file("mine")])
    #expect(used.output == made.output)
  }

  @Test("a named file that is none is refused", arguments: Calibration.hostile)
  func hostile(content: String) throws {
    let folder = try Folder()
    let file = try folder.write("machine", content)
    expectRefusal(try run(folder, ["--calibration", file]), exitCode: 65, saying: "machine")
    #expect(try folder.text("machine") == content)
  }

  @Test func aNamedFileThatIsMissingIsRefused() throws {
    let folder = try Folder()
    expectRefusal(try run(folder, ["--calibration", folder.file("nowhere")]), exitCode: 66, saying: "nowhere")
  }

  /// A calibration of a moment at which the processor was slow does not make predictions wrong for ever.
  @Test func aPredictionIsOfTheSpeedOfTheMoment() throws {
    let folder = try Folder()
    let layer = "bench layer --tokens 512 --hidden-size 512 --intermediate-size 1024 --repeat 1 --json --calibration"
    func predicted(_ more: [String]) throws -> Double {
      let arguments = layer.split(separator: " ").map(String.init) + [folder.file("machine")] + more
      let outcome = try Program.run(arguments)
      try #require(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
      let line = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
      return try #require(line?["predicted_milliseconds"] as? Double, "\(outcome)")
    }
    let first = try predicted(["--calibrate"])
    let slowed = try folder.text("machine").replacing(/"flopsPerSecond" : ([-+.\de]+)/) { rate in
      "\"flopsPerSecond\" : \((Double(rate.1) ?? 0) / 100)"
    }
    try folder.write("machine", slowed)
    let second = try predicted([])
    #expect(second < 10 * first, "rates a hundred times too low: \(second) ms after \(first) ms")
  }
}

/// Calibrations as files.
enum Calibration {
  static func text(
    hosts: Int = 1, linkBytesPerSecond: Any = 1.25e8, latency: Any = 3e-5, copy: Any = 1e10,
    points: [[String: Any]] = [["rows": 16, "flopsPerSecond": 1e11], ["rows": 512, "flopsPerSecond": 2e11]]
  ) -> String {
    let host: [String: Any] = ["name": "h", "processor": "p", "processors": ["0"], "ranks": 1, "threads": 1]
    let link: [String: Any] = [
      "latencySeconds": latency, "bytesPerSecond": linkBytesPerSecond, "messageSeconds": 1e-6, "byteSeconds": 0,
    ]
    let content: [String: Any] = [
      "format": "switchyard calibration 2",
      "key": ["build": "none", "hosts": Array(repeating: host, count: hosts)] as [String: Any],
      "machine": [
        "sameHost": link, "otherHost": link, "matmul": ["points": points], "copyBytesPerSecond": copy, "soloSpeedup": 1,
      ] as [String: Any],
    ]
    return (try? JSONSerialization.data(withJSONObject: content)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  static let hostile: [String] = [
    "", "{}", "no JSON", "[1, 2, 3]", text().replacingOccurrences(of: "calibration 2", with: "calibration 1"),
    text(linkBytesPerSecond: 0), text(linkBytesPerSecond: -1), text(linkBytesPerSecond: 1e300),
    text(linkBytesPerSecond: "fast"), text().replacingOccurrences(of: "125000000", with: "1e999"),
    text(latency: -1e-6), text(latency: 1e9), text(copy: 0), text(copy: 1e-300), text(points: []),
    text(points: [["rows": 0, "flopsPerSecond": 1e11]]), text(points: [["rows": -5, "flopsPerSecond": 1e11]]),
    text(points: [["rows": 16, "flopsPerSecond": -1e11]]), text(points: [["rows": 1.5, "flopsPerSecond": 1e11]]),
    text(points: [["rows": 16, "flopsPerSecond": 1e11], ["rows": 16, "flopsPerSecond": 1e11]]),
    text(points: [["rows": 1 << 40, "flopsPerSecond": 1e11]]),
    String(repeating: "[", count: 100_000), String(repeating: " ", count: 1 << 21),
  ]
}
