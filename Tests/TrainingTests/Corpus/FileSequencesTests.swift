import Communication
import Tensors
import Testing
import Topology
import Training

struct FileSequencesTests {
  /// A safetensors file with one tensor.
  private static func file(
    _ ids: [Int64], shape: [Int], name: String = "input_ids", type: String = "I64"
  ) -> [UInt8] {
    let data = ids.flatMap { id in (0..<(type == "I32" ? 4 : 8)).map { UInt8(truncatingIfNeeded: id >> (8 * $0)) } }
    let header = #"{"\#(name)":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":[0,\#(data.count)]}}"#
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
    return length + Array(header.utf8) + data
  }

  private func load(_ bytes: [UInt8], ranks: Int = 2) throws -> [Result<FileSequences, any Error>] {
    let folder = try CorpusFolder(["tokens.safetensors": bytes])
    return LoopbackFabric(ranks: ranks).run { world in
      try FileSequences(folder.file("tokens.safetensors"), vocabularySize: 100, over: world)
    }
  }

  @Test("whole sequences, each predicting its own tokens but the first", arguments: ["I64", "I32"])
  func reads(type: String) throws {
    for result in try load(Self.file([1, 2, 3, 99, 0, 7], shape: [2, 3], type: type)) {
      let sequences = try result.get()
      #expect(sequences.sequenceCount == 2 && sequences.sequenceLength == 3)
      #expect(sequences.predictedTokenCount(sequence: 0) == 2)
      let (tokens, targets) = (Buffer<Int32>(count: 3), Buffer<Int32>(count: 3))
      sequences.copy(sequence: 1, tokens: tokens, targets: targets)
      #expect(tokens.elements == [99, 0, 7] && targets.elements == [0, 7, -1])
    }
  }

  @Test("what is no such file is refused, on all ranks alike")
  func refuses() throws {
    let good = Self.file([1, 2, 3, 4], shape: [2, 2])
    let cases: [([UInt8], String)] = [
      (Self.file([1, 2, 3, 100], shape: [2, 2]), "input_ids[1, 1] is 100"),
      (Self.file([1, -1, 3, 4], shape: [2, 2]), "input_ids[0, 1] is -1"),
      (Self.file([1, 1 << 40, 3, 4], shape: [2, 2]), "1099511627776"),
      (Self.file([1, 2, 3, 4], shape: [4]), "shape [4]"), (Self.file([1, 2], shape: [2, 1]), "shape [2, 1]"),
      (Self.file([], shape: [0, 4]), "shape [0, 4]"),
      (Self.file([1, 2, 3, 4], shape: [2, 2], name: "ids"), "input_ids"),
      (Self.file([1, 2, 3, 4], shape: [2, 2], type: "F64"), "F64"), (Array(good.dropLast()), ""), ([], ""),
      ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x7b], ""),
    ]
    for (bytes, words) in cases {
      for result in try load(bytes) {
        guard case .failure(let error) = result else {
          Issue.record("was read: \(words)")
          continue
        }
        #expect([.invalidData, .configuration].contains(Refusal(error).kind), "\(error)")
        #expect(Refusal(error).message.contains(words), "\(error)")
      }
    }
  }

  @Test("an absent file, or another on another host, is refused")
  func refusesOthers() throws {
    let absent = LoopbackFabric(ranks: 1).run { world in
      try FileSequences("/absent.safetensors", vocabularySize: 9, over: world)
    }[0]
    guard case .failure(let error) = absent else {
      Issue.record("an absent file was read")
      return
    }
    #expect(Refusal(error).kind == .missingInput)

    let hosts = try [[Int64](0..<4), [0, 1, 2, 4]].map {
      try CorpusFolder(["tokens.safetensors": Self.file($0, shape: [2, 2])])
    }
    let differing = LoopbackFabric(ranks: 2).run { world in
      try FileSequences(
        "/tokens.safetensors", vocabularySize: 9, over: world, files: HostFiles(root: hosts[world.rank.index].path))
    }
    for result in differing {
      guard case .failure(let error) = result else {
        Issue.record("different files were read")
        continue
      }
      #expect(Refusal(error).kind == .hostDiffers)
    }
  }
}
