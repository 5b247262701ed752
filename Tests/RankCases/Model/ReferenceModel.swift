import Checkpoints
import Foundation
package import LanguageModel
package import Tensors

/// A tiny Mixtral with random weights, and what transformers computed with it: logits, losses, gradients, greedy tokens.
///
/// It lies beside the repository, in `shared/reference-models/mixtral`; its `reference.json` explains itself.
package struct ReferenceModel: Sendable {
  package let path: String
  package let configuration: ModelConfiguration
  package let inputIDs: [[Int32]]
  /// The token after each position; −1: not predicted.
  package let targets: [[Int32]]
  package let logits: [Float]
  package let crossEntropy: Double
  package let balanceLoss: Double
  package let prompts: [[Int32]]
  package let newTokens: [[Int32]]

  /// Nil where a checkout has no such folder beside it.
  package static let path: String? = {
    var folder = URL(fileURLWithPath: #filePath)
    while folder.path != "/" {
      folder.deleteLastPathComponent()
      let candidate = folder.appendingPathComponent("shared/reference-models/mixtral").path
      if FileManager.default.fileExists(atPath: candidate) { return candidate }
    }
    return nil
  }()

  private struct Description: Decodable {
    let ce_loss: Double
    let aux_loss: Double
    let greedy_prompt: [[Int32]]
    let greedy_new_tokens: [[Int32]]
  }

  package init(_ path: String) throws {
    self.path = path
    configuration = try ModelDirectory(path).configuration
    let forward = try SafetensorsFile(path + "/reference.safetensors")
    let training = try SafetensorsFile(path + "/train_reference.safetensors")
    inputIDs = try Self.integers("input_ids", in: forward)
    // transformers' labels are not shifted yet: position t predicts label t + 1.
    targets = try Self.integers("labels", in: training).map { labels in
      labels.dropFirst().map { $0 < 0 ? -1 : $0 } + [-1]
    }
    let values = Buffer<Float>(count: try forward.entry("logits").elementCount)
    try forward.read("logits", into: values)
    logits = values.elements
    let json = try Data(contentsOf: URL(fileURLWithPath: path + "/reference.json"))
    let description = try JSONDecoder().decode(Description.self, from: json)
    crossEntropy = description.ce_loss
    balanceLoss = description.aux_loss
    prompts = description.greedy_prompt
    newTokens = description.greedy_new_tokens
  }

  package func loadWeights(into parameters: ParameterBuffer) throws {
    try ModelDirectory(path).loadParameters(into: parameters)
  }

  /// The gradient of `ce_loss + router_aux_loss_coef · aux_loss`.
  package func gradient(of slot: ParameterSlot) throws -> [Float] {
    let values = Buffer<Float>(count: slot.shape.elementCount)
    try SafetensorsFile(path + "/train_reference.safetensors").read("grad." + slot.name, into: values)
    return values.elements
  }

  private static func integers(_ name: String, in file: SafetensorsFile) throws -> [[Int32]] {
    let entry = try file.entry(name)
    let values = Buffer<Int32>(count: entry.elementCount)
    try file.readIntegers(name, into: values)
    let length = entry.shape[1]
    return (0..<entry.shape[0]).map { Array(values.elements[$0 * length..<($0 + 1) * length]) }
  }
}
