import Checkpoints
import Foundation
import LanguageModel
import Tensors

/// A model of a few thousand parameters, written as a Hugging Face directory.
struct TinyModel {
  static let configuration = ModelConfiguration(
    vocabularySize: 300, hiddenSize: 16, intermediateSize: 24, layerCount: 2, headCount: 2, keyValueHeadCount: 1,
    expertCount: 4, expertsPerToken: 2, maximumPositions: 32)

  let path: String
  var weights: String { "\(path)/\(TensorCatalog.singleFileName)" }
  var configurationFile: String { "\(path)/\(ModelDirectory.configurationName)" }
  var tokenizerFile: String { "\(path)/\(ModelDirectory.tokenizerName)" }

  /// Writes a model into a new folder inside another.
  init(in folder: Folder, name: String = "model", withTokenizer: Bool = true) throws {
    path = folder.file(name)
    try folder.write("\(name)/config.json", Data(ConfigurationWriter.configuration(Self.configuration)))
    if withTokenizer { try folder.write("\(name)/tokenizer.json", try Self.byteTokenizer()) }
    let slots = ModelLayout.whole(Self.configuration).slots
    try Self.writeWeights(weights, slots.map { TensorDescription($0.name, shape: $0.shape.dimensions) })
  }

  /// Writes tensors of small numbers that are no pattern.
  static func writeWeights(_ path: String, _ tensors: [TensorDescription]) throws {
    try? FileManager.default.removeItem(atPath: path)
    let writer = try SafetensorsWriter(creating: path, tensors: tensors)
    for (index, entry) in writer.entries.enumerated() {
      let values = (0..<entry.elementCount).map { Float(($0 * 37 + index * 11) % 101 - 50) / 250 }
      try writer.append(Buffer(values))
    }
    _ = try writer.finish()
  }

  /// A tokenizer whose tokens are the 256 bytes, in the byte-level alphabet.
  private static func byteTokenizer() throws -> Data {
    var vocabulary: [String: Int] = [:]
    var stand = 256
    for byte in 0..<256 {
      let isShown = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
      let scalar = isShown ? byte : stand
      if !isShown { stand += 1 }
      vocabulary[String(UnicodeScalar(UInt32(scalar)).map(Character.init) ?? "?")] = byte
    }
    let byteLevel: [String: Any] = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    ]
    return try JSONSerialization.data(withJSONObject: [
      "version": "1.0", "added_tokens": [Any](), "normalizer": NSNull(), "pre_tokenizer": byteLevel,
      "post_processor": NSNull(), "decoder": byteLevel, "truncation": NSNull(), "padding": NSNull(),
      "model": [
        "type": "BPE", "vocab": vocabulary, "merges": [String](), "dropout": NSNull(), "unk_token": NSNull(),
        "continuing_subword_prefix": NSNull(), "end_of_word_suffix": NSNull(), "fuse_unk": false,
        "byte_fallback": false,
      ] as [String: Any],
    ])
  }
}

extension Folder {
  /// A safetensors file with exactly this header, in any form, and this many bytes of data.
  @discardableResult
  func writeSafetensors(_ name: String, header: String, headerLength: UInt64? = nil, dataCount: Int) throws -> String {
    let json = Data(header.utf8)
    let length = headerLength ?? UInt64(json.count)
    let prefix = Data((0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) })
    return try write(name, prefix + json + Data(count: dataCount))
  }

  /// A file of token ids [sequences, length].
  @discardableResult
  func writeTokens(_ name: String, _ sequences: [[Int64]]) throws -> String {
    let ids = sequences.flatMap(\.self)
    let shape = "[\(sequences.count), \(sequences.first?.count ?? 0)]"
    let header = #"{"input_ids": {"dtype": "I64", "shape": \#(shape), "data_offsets": [0, \#(ids.count * 8)]}}"#
    let path = try writeSafetensors(name, header: header, dataCount: 0)
    var file = try Data(contentsOf: URL(fileURLWithPath: path))
    for id in ids { file.append(contentsOf: (0..<8).map { UInt8(truncatingIfNeeded: id >> (8 * Int64($0))) }) }
    return try write(name, file)
  }
}
