import Foundation
import Testing
import Training

final class MetricsFileTests {
  private let folder = FileManager.default.temporaryDirectory.appending(path: "metrics-\(UUID())")
  private var path: String { folder.appending(path: "metrics.jsonl").path }

  init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }

  deinit { try? FileManager.default.removeItem(at: folder) }

  private func metrics(step: Int, loss: Double = 0.1 + 0.2, heldOutLoss: Double? = nil) -> StepMetrics {
    var metrics = StepMetrics(step: step)
    metrics.loss = loss
    metrics.learningRate = 1e-5
    metrics.heldOutLoss = heldOutLoss
    return metrics
  }

  private func contents() throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  private func steps() throws -> [Int] {
    try contents().split(separator: "\n").map {
      let object = try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
      return try #require(object?["step"] as? Int)
    }
  }

  @Test func aLineHasTheDocumentedKeysAndNumbersThatComeBack() throws {
    let line = metrics(step: 3, loss: 0.1 + 0.2).jsonLine
    let object = try JSONDecoder().decode([String: Double].self, from: Data(line.utf8))
    #expect(
      Set(object.keys) == [
        "step", "loss", "balance_loss", "z_loss", "total_loss", "learning_rate", "gradient_norm",
        "tokens_per_second", "load_imbalance", "dropped_fraction", "expert_layers_milliseconds",
        "exchange_milliseconds",
        "exposed_exchange_milliseconds", "step_milliseconds", "activation_bytes", "moved_experts",
      ])
    #expect(object["loss"] == 0.1 + 0.2)
    #expect(object["learning_rate"] == 1e-5)
    #expect(line.contains("\"loss\":0.30000000000000004,"))
  }

  @Test func heldOutLossAppearsWhereItWasMeasuredAndNoNumberIsNull() {
    #expect(metrics(step: 3, heldOutLoss: 2.5).jsonLine.hasSuffix("\"held_out_loss\":2.5}"))
    #expect(metrics(step: 3, loss: .nan).jsonLine.contains("\"loss\":null,"))
  }

  @Test func linesAreThereAsSoonAsTheyAreWritten() throws {
    let file = try MetricsFile.create(path)
    for step in 1...3 {
      try file.append(metrics(step: step))
      #expect(try steps() == Array(1...step))
    }
  }

  @Test func aNewRunRefusesAFileThatHasLines() throws {
    try MetricsFile.create(path).append(metrics(step: 1))
    #expect(throws: TrainingError.self) { try MetricsFile.create(path) }
    #expect(try steps() == [1])
  }

  @Test func resumingCutsLaterStepsAndATornLine() throws {
    let file = try MetricsFile.create(path)
    for step in 1...5 { try file.append(metrics(step: step)) }
    let whole = try contents()
    try (whole + "{\"step\":3,\"lo").write(toFile: path, atomically: true, encoding: .utf8)
    try MetricsFile.resume(path, afterStep: 3).append(metrics(step: 4, loss: 7))
    #expect(try steps() == [1, 2, 3, 4])
    #expect(try contents().contains("\"loss\":7.0,"))
    #expect(try contents().hasPrefix(whole.split(separator: "\n").prefix(3).joined(separator: "\n")))
  }

  @Test func resumingLeavesAFileOfSomethingElseAlone() throws {
    try "notes of mine\n".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(throws: TrainingError.self) { try MetricsFile.resume(path, afterStep: 0) }
    #expect(try contents() == "notes of mine\n")
  }

  @Test func resumingWithoutAFileBeginsOne() throws {
    try MetricsFile.resume(path, afterStep: 8).append(metrics(step: 9))
    #expect(try steps() == [9])
  }

  @Test func aFileThatCannotBeMadeIsAnErrorThatNamesIt() {
    let error = #expect(throws: TrainingError.self) { try MetricsFile.create(folder.path + "/missing/m.jsonl") }
    #expect(error?.message.contains("missing/m.jsonl") == true)
  }
}
