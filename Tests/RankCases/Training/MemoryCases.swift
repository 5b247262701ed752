import Communication
import Foundation
import LanguageModel
import Tensors
package import TestSupport
import Training

/// What a run takes from the machine.
package let memoryCases: [RankCase] = [
  RankCase("training: resident memory stays within its bound", ranks: [1, 4]) { context in
    // Ranks that are threads share a process.
    if context.world is LoopbackCommunicator { return }
    let before = peakResidentBytes()
    var scenario = TrainingScenario.small
    scenario.model = ModelConfiguration(
      vocabularySize: 2048, hiddenSize: 256, intermediateSize: 512, layerCount: 4, headCount: 4, keyValueHeadCount: 2,
      expertCount: 8, expertsPerToken: 2, maximumPositions: 128)
    scenario.sequences = .learnable(count: 32, length: 128, vocabularySize: 2048)
    scenario.configuration.sequenceLength = 128
    scenario.configuration.batchSequences = 16
    scenario.configuration.microBatchSequences = 16
    let run = try scenario.begin(over: context.world)
    let metrics = try run.advance(4)
    let parameterBytes = 16 * run.loop.state.weights.layout.count
    let bound = 1.2 * Double(parameterBytes + metrics[3].activationBytes) + 150e6
    let peak = peakResidentBytes()
    context.expect(
      Double(peak) <= bound,
      "\(peak >> 20) MiB (\(before >> 20) before) of \(Int(bound) >> 20): \(parameterBytes >> 20) for parameters, "
        + "\(metrics[3].activationBytes >> 20) for activations")
  }
]

/// The most memory that this process has ever had resident, as Linux counts it.
private func peakResidentBytes() -> Int {
  let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
  let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
  let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
  return (kibibytes ?? 0) << 10
}
