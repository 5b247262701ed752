import Foundation
import Testing

/// oneDNN has kernels that use the stack pointer for data: a handler that ran there would write over the heap.
@Suite struct StopSignalTests {
  /// A step of seconds, almost all of them matmuls, and thousands of signals in it.
  @Test(arguments: [1, 2]) func manySignalsInAStepHarmNothing(threads: Int) throws {
    let folder = try Folder()
    let text = try folder.write("text.txt", SampleText.make(bytes: 40_000))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Program.executable)
    process.arguments = SmallRun.training(
      on: text, into: folder.file("run"), ["--batch-tokens", "24576", "--threads", "\(threads)"])
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try folder.newFile("output")
    process.standardError = try folder.newFile("errors")
    try process.runWithSignals()
    let deadline = Date(timeIntervalSinceNow: 120)
    // It listens from its first step on; before, a signal would end it.
    while process.isRunning, Date() < deadline, ((try? folder.text("run/metrics.jsonl")) ?? "").isEmpty {
      Thread.sleep(forTimeInterval: 0.01)
    }
    while process.isRunning, Date() < deadline {
      kill(process.processIdentifier, SIGUSR1)
      usleep(50)
    }
    if process.isRunning { process.terminate() }
    process.waitUntilExit()
    let errors = try folder.text("errors")
    #expect(process.terminationReason == .exit && process.terminationStatus == 79, "\(errors)")
    #expect(errors.contains("stopped on request"), "\(errors)")
  }
}
