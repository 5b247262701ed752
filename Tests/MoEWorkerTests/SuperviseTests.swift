import Foundation
import Glibc
import Testing

/// Rows B5, B7 and B9: jobs that are started again, are asked to stop, or cannot be helped.
@Suite(.serialized) struct SuperviseTests {
  let folder: Folder
  let text: String

  init() throws {
    folder = try Folder()
    text = try folder.write("text.txt", SampleText.make(bytes: 40_000))
  }

  private func training(_ output: String, ranks: Int = 2, _ more: [String] = []) -> [String] {
    [Program.launcher, "-np", "\(ranks)", Program.executable]
      + SmallRun.training(on: text, into: folder.file(output), more)
  }

  private func supervise(_ command: [String], restarts: Int, faults: String = "") throws -> Program.Outcome {
    try Program.run(
      ["supervise", "--max-restarts", "\(restarts)", "--pause", "0.1", "--"] + command,
      environment: faults.isEmpty ? [:] : ["SWITCHYARD_FAILPOINT": faults], limit: 120)
  }

  private func model(_ output: String, step: Int = 6) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: folder.file("\(output)/checkpoint-\(step)/model.safetensors")))
  }

  @Test func aSupervisedRunEndsInTheSameModel() throws {
    let undisturbed = try supervise(training("whole"), restarts: 0)
    #expect(undisturbed.exitCode == 0 && undisturbed.errors.isEmpty, "\(undisturbed)")
    let faults =
      "attempt=1,rank=1,phase=forward,step=2:kill;attempt=2,rank=0,phase=backward,step=5:trap;"
      + "attempt=3,rank=1,phase=save,step=6:abort;attempt=4,rank=0,phase=end:kill"
    let disturbed = try supervise(training("parts"), restarts: 9, faults: faults)
    #expect(disturbed.exitCode == 0, "\(disturbed)")
    #expect(disturbed.errors.contains("attempt 4 ended"), "\(disturbed)")
    // Saving goes on beside the steps: that of step 2 has ended when that of step 4 begins, that of step 4 may have.
    #expect(["2", "4"].contains { disturbed.errors.contains("going on from step \($0)") }, "\(disturbed)")
    #expect(try model("parts") == model("whole"))
    #expect(try folder.text("parts/metrics.jsonl").split(separator: "\n").count == 6)
  }

  @Test func aStepThatFailsThreeTimesIsGivenUp() throws {
    let outcome = try supervise(training("run"), restarts: 9, faults: "rank=1,phase=optimize,step=4:kill")
    #expect(outcome.exitCode > 0 && outcome.errors.contains("no progress at step 4"), "\(outcome)")
    #expect(outcome.errors.contains("attempt 3 ended") && !outcome.errors.contains("attempt 4"), "\(outcome)")
  }

  @Test func aRefusalIsNotRepeated() throws {
    let outcome = try supervise(training("run", ["--corpus", folder.file("nowhere")]), restarts: 9)
    #expect(outcome.exitCode == 66 && outcome.errors.contains("exit code 66 would come again"), "\(outcome)")
    #expect(!outcome.errors.contains("attempt 2"))
  }

  /// An attempt that ends before it has looked must not let the next one take what is there for its own.
  @Test func anotherRunIsNotGoneOnWith() throws {
    _ = try supervise(training("run"), restarts: 0)
    let before = try folder.text("run/metrics.jsonl")
    let command = training("run", ["--steps", "8", "--stop-after", "7"])
    let outcome = try supervise(command, restarts: 3, faults: "attempt=1,rank=1,phase=start:kill")
    #expect(outcome.exitCode == 73 && outcome.errors.contains("exit code 73 would come again"), "\(outcome)")
    #expect(try folder.text("run/metrics.jsonl") == before)
  }

  @Test func anotherRunsMeasurementsAreLeft() throws {
    let lines = try folder.write("old.jsonl", "{\"step\":1}\n")
    let outcome = try supervise(training("run", ["--metrics", lines]), restarts: 3)
    #expect(outcome.exitCode == 73 && !outcome.errors.contains("attempt 2"), "\(outcome)")
    #expect(try folder.text("old.jsonl") == "{\"step\":1}\n")
  }

  @Test func aProgramThatIsNotThereIsRefused() throws {
    let outcome = try supervise(["no-such-program"], restarts: 1)
    expectRefusal(outcome, exitCode: 66, saying: "no-such-program")
    expectRefusal(try Program.run(["supervise"]), exitCode: 64, saying: "command", "supervise --help")
  }

  /// A rank that is asked to stop takes the others along.
  @Test(arguments: [1, 3]) func oneRanksWishStopsAll(ranks: Int) throws {
    let outcome = try Program.run(
      Array(training("run", ranks: ranks).drop { $0 != "train" }), ranks: ranks,
      environment: ["SWITCHYARD_FAILPOINT": "rank=\(ranks - 1),phase=forward,step=3:terminate"])
    #expect(outcome.exitCode == 79 && outcome.errorLines.count == 2, "\(outcome)")
    #expect(outcome.errors.contains("after step 3 of 6") && outcome.errors.contains("--resume"), "\(outcome)")
    #expect(outcome.output.contains("checkpoint-3"), "\(outcome)")
    let resumed = try supervise(training("run", ranks: ranks, ["--resume"]), restarts: 0)
    #expect(resumed.exitCode == 0, "\(resumed)")
    _ = try supervise(training("whole", ranks: ranks), restarts: 0)
    #expect(try model("run") == model("whole"))
  }

  /// Signals to the one that supervises.
  @Test(arguments: [SIGTERM, SIGINT, SIGUSR1]) func aSignalStopsAfterTheStep(signal: Int32) throws {
    let run = try SignalledRun(folder, training("run", ["--steps", "100000"]), signals: [signal])
    #expect(run.exitCode == 79 && run.seconds < 25, "\(run.exitCode) after \(run.seconds) s: \(run.errors)")
    #expect(run.errors.contains("stopped on request"), "\(run.errors)")
  }

  @Test func aSecondInterruptionEndsAtOnce() throws {
    // A rank that does nothing: the first wish to stop is not heard.
    let run = try SignalledRun(
      folder, training("run", ["--steps", "100000"]), signals: [SIGINT, SIGINT],
      faults: "rank=1,phase=forward,step=20:hang")
    #expect(run.exitCode > 0 && run.exitCode != 79 && run.seconds < 2, "\(run.exitCode) after \(run.seconds) s")
  }
}

/// A supervised run that is sent signals once it trains.
struct SignalledRun {
  let exitCode: Int32
  /// From the last signal to the end.
  let seconds: Double
  let errors: String

  init(_ folder: Folder, _ command: [String], signals: [Int32], faults: String? = nil) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Program.executable)
    process.arguments = ["supervise", "--max-restarts", "3", "--"] + command
    if let faults {
      process.environment = ProcessInfo.processInfo.environment.merging(["SWITCHYARD_FAILPOINT": faults]) { $1 }
    }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try folder.newFile("signalled.output")
    process.standardError = try folder.newFile("signalled.errors")
    try process.runWithSignals()
    let deadline = Date(timeIntervalSinceNow: 60)
    while process.isRunning, Date() < deadline,
      ((try? folder.text("run/metrics.jsonl")) ?? "").filter(\.isNewline).count < 19
    { Thread.sleep(forTimeInterval: 0.01) }
    Thread.sleep(forTimeInterval: 0.3)
    for signal in signals {
      kill(process.processIdentifier, signal)
      Thread.sleep(forTimeInterval: 0.2)
    }
    let start = Date()
    while process.isRunning, Date() < start + 40 { Thread.sleep(forTimeInterval: 0.01) }
    seconds = Date().timeIntervalSince(start)
    if process.isRunning { process.terminate() }
    process.waitUntilExit()
    exitCode = process.terminationStatus
    errors = try folder.text("signalled.errors")
  }
}
