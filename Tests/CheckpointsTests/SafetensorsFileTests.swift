import Checkpoints
import Foundation
import Tensors
import Testing

@Suite("Safetensors files")
struct SafetensorsFileTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func write<Element>(_ type: String, _ values: [Element]) throws -> SafetensorsFile
  where Element: BitwiseCopyable & Sendable {
    let data = bytes(values)
    let header = HostileFile.one(type, "[\(values.count)]", "[0,\(data.count)]")
    return try SafetensorsFile(folder.write("a.safetensors", safetensors(header, data: data)))
  }

  // MARK: Element types

  @Test("every BF16 value is widened exactly") func brainFloats() throws {
    let patterns = Array(UInt16.min...UInt16.max)
    let values = Buffer<Float>(count: patterns.count)
    try write("BF16", patterns).read("a", into: values)
    #expect(values.elements.map(\.bitPattern) == patterns.map { UInt32($0) << 16 })
  }

  @Test("every F16 value is widened exactly, subnormals and infinities too") func halfFloats() throws {
    let patterns = Array(UInt16.min...UInt16.max)
    let values = Buffer<Float>(count: patterns.count)
    try write("F16", patterns).read("a", into: values)
    let wrong = zip(patterns, values.elements).filter { !isWidened($0, $1) }
    #expect(wrong.isEmpty)
  }

  /// IEEE 754's definition of binary16, by its fields.
  private func isWidened(_ pattern: UInt16, _ value: Float) -> Bool {
    let sign: Float = pattern >> 15 == 0 ? 1 : -1
    let fraction = Float(pattern & 1023)
    switch Int(pattern >> 10 & 31) {
    case 31: return fraction == 0 ? value == sign * .infinity : value.isNaN
    case 0: return value == sign * fraction * 0x1p-24 && (value.sign == .minus) == (sign < 0)
    case let exponent:
      return value == sign * (1024 + fraction) * Float(sign: .plus, exponent: exponent - 25, significand: 1)
    }
  }

  @Test("F32 is read bit for bit, not-a-numbers included") func floats() throws {
    let patterns: [UInt32] = [0, 0x8000_0000, 1, 0x7f80_0000, 0xff80_0000, 0x7fc0_1234, 0x7f80_0001, 0x3f80_0000]
    let values = Buffer<Float>(count: patterns.count)
    try write("F32", patterns).read("a", into: values)
    #expect(values.elements.map(\.bitPattern) == patterns)
  }

  @Test("integers of 64 and 32 bits are read") func integers() throws {
    let values = Buffer<Int32>(count: 4)
    try write("I64", [0, -1, Int64(Int32.max), Int64(Int32.min)]).readIntegers("a", into: values)
    #expect(values.elements == [0, -1, .max, .min])
    try write("I32", [7, -1, Int32.max, .min]).readIntegers("a", into: values)
    #expect(values.elements == [7, -1, .max, .min])
  }

  @Test(
    "an integer beyond 32 bits is refused with its place", arguments: [1 << 31, -1 << 31 - 1, .max, .min] as [Int64])
  func largeIntegers(value: Int64) throws {
    let file = try write("I64", [0, 0, value])
    let error = #expect(throws: CheckpointError.self) { try file.readIntegers("a", into: Buffer(count: 3)) }
    #expect(error?.description.contains("tensor a: element 2 is \(value)") == true)
  }

  @Test("tensors whose elements are parts of bytes have digests like others", arguments: ElementType.allCases)
  func verification(type: ElementType) throws {
    let data = [UInt8](repeating: 5, count: type.bitCount)
    let digest = Digest(of: data).hexadecimal
    for (written, isFine) in [(digest, true), (String(digest.reversed()), false)] {
      let header =
        #"{"__metadata__":{"switchyard_digests":"1","switchyard_xxh64.a":"\#(written)"},"a":{"dtype":"#
        + #""\#(type.rawValue)","shape":[8],"data_offsets":[0,\#(type.bitCount)]}}"#
      let file = try SafetensorsFile(folder.write("a.safetensors", safetensors(header, data: data)))
      #expect(checkpointError { try file.verify() }?.code == (isFine ? nil : .damaged))
    }
  }

  @Test("other types are refused by name", arguments: ElementType.allCases) func otherTypes(type: ElementType) throws {
    let header = HostileFile.one(type.rawValue, "[8]", "[0,\(type.bitCount)]")
    let reader = try SafetensorsFile(
      folder.write("a.safetensors", safetensors(header, data: [UInt8](repeating: 0, count: type.bitCount))))
    let asFloat = checkpointError { try reader.read("a", into: Buffer(count: 8)) }
    #expect((asFloat == nil) == [.f32, .bf16, .f16].contains(type))
    let asInteger = checkpointError { try reader.readIntegers("a", into: Buffer(count: 8)) }
    #expect((asInteger == nil) == [.i32, .i64].contains(type))
    for error in [asFloat, asInteger].compactMap(\.self) {
      #expect(error.code == .unsupported)
      #expect(error.message.contains(type.rawValue))
    }
  }

  // MARK: Round trips

  /// More than two pieces of the reader.
  private static let longCount = 600_000

  private func writeOwn(pieceSize: Int) throws -> (path: String, values: [String: [Float]]) {
    let random = CounterRandom(seed: 1, stream: "values")
    let shapes = [
      "b.long": [3, Self.longCount / 3], "a.short": [5], "c.empty": [0, 4], "é \"quoted\"": [2, 2], "d": [],
    ]
    let values = shapes.mapValues { shape in
      (0..<shape.reduce(1, *)).map { random.uniform(UInt64($0)) }
    }
    let path = folder.file("own.safetensors")
    let output = try TensorOutput(path, tensors: shapes.map { TensorDescription($0.key, shape: $0.value) })
    let order = shapes.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let all = order.flatMap { values[$0] ?? [] }
    for first in stride(from: 0, to: all.count, by: pieceSize) {
      try output.append(Buffer(Array(all[first..<min(first + pieceSize, all.count)])))
    }
    try output.finish()
    return (path, values)
  }

  @Test("what is written is read back, however it is handed over", arguments: [1000, 262_144, 300_001, 10_000_000])
  func roundTrip(pieceSize: Int) throws {
    let (path, values) = try writeOwn(pieceSize: pieceSize)
    let file = try SafetensorsFile(path)
    #expect(file.header.entries.count == values.count)
    #expect(file.header.byteCount % 8 == 0)
    #expect(file.header.metadata["format"] == "pt")
    for (name, expected) in values {
      let read = Buffer<Float>(count: expected.count)
      try file.read(name, into: read)
      #expect(read.elements == expected)
    }
  }

  @Test("parts are read", arguments: [0..<0, 0..<1, 5..<300_000, 262_144..<524_288, 599_999..<600_000])
  func parts(range: Range<Int>) throws {
    let (path, values) = try writeOwn(pieceSize: 100_000)
    let read = Buffer<Float>(count: range.count)
    try SafetensorsFile(path).read("b.long", elements: range, into: read)
    #expect(read.elements == Array(try #require(values["b.long"])[range]))
  }

  @Test("a missing tensor and a wrong count are refused") func wrongRequests() throws {
    let file = try SafetensorsFile(writeOwn(pieceSize: 100_000).path)
    #expect(checkpointError { try file.read("x", into: Buffer(count: 1)) }?.code == .missing)
    let error = checkpointError { try file.read("a.short", into: Buffer(count: 6)) }
    #expect(error?.code == .contradiction)
    #expect(error?.message.contains("5 elements [5], 6 are expected") == true)
  }

  @Test("an output is there whole or not at all, and the old one until then") func atomicOutput() throws {
    let path = try folder.write("logits.safetensors", "old")
    do {
      let output = try TensorOutput(path, tensors: [TensorDescription("logits", shape: [4])])
      try output.append(Buffer<Float>([1, 2]))
    }
    #expect(try folder.read("logits.safetensors") == Array("old".utf8))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["logits.safetensors"])
    let output = try TensorOutput(path, tensors: [TensorDescription("logits", shape: [4])])
    try output.append(Buffer<Float>([1, 2, 3, 4]))
    #expect(try folder.read("logits.safetensors") == Array("old".utf8))
    try output.finish()
    let read = Buffer<Float>(count: 4)
    try SafetensorsFile(path).read("logits", into: read)
    #expect(read.elements == [1, 2, 3, 4])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["logits.safetensors"])
  }

  // MARK: Damage

  @Test("one changed byte anywhere in a file of ours is refused, or changes nothing that is read")
  func changedBytes() throws {
    let disk = SimulatedDisk(directory: "data")
    let path = "data/own.safetensors"
    let output = try TensorOutput(
      path, tensors: [TensorDescription("a", shape: [3, 2]), TensorDescription("b", shape: [40])], files: disk)
    let expected = (0..<46).map { Float($0) * 0.37 }
    try output.append(Buffer(expected))
    try output.finish()
    let whole = try #require(disk.content(of: path))
    let patterns: [UInt8] = [1, 2, 4, 8, 16, 32, 64, 128, 255]
    let outcomes = try whole.indices.flatMap { offset in
      try patterns.map { pattern in
        var changed = whole
        changed[offset] ^= pattern
        try disk.removeFile(path)
        try disk.writeFile(path, changed)
        return outcome(of: path, on: disk, expected)
      }
    }
    #expect(!outcomes.contains(.silentlyDifferent))
    #expect(outcomes.count { $0 == .refused } > patterns.count * 46 * 4)
  }

  private enum Outcome { case refused, equal, silentlyDifferent }

  /// Reads `a` and `b` of a file as a model's loader does.
  private func outcome(of path: String, on disk: SimulatedDisk, _ expected: [Float]) -> Outcome {
    do {
      let file = try SafetensorsFile(path, files: disk)
      guard try file.entry("a").shape == [3, 2], try file.entry("b").shape == [40] else { return .refused }
      let read = [Buffer<Float>(count: 6), Buffer<Float>(count: 40)]
      try file.read("a", into: read[0])
      try file.read("b", into: read[1])
      return read[0].elements + read[1].elements == expected ? .equal : .silentlyDifferent
    } catch {
      return .refused
    }
  }

  @Test("a flipped bit in the data names file and tensor") func flippedBit() throws {
    let (path, _) = try writeOwn(pieceSize: 100_000)
    var content = try folder.read("own.safetensors")
    let header = try SafetensorsFile(path).header
    let entry = try #require(header.entries.first { $0.name == "b.long" })
    content[header.byteCount + entry.bytes.upperBound - 1] ^= 1
    try folder.write("own.safetensors", content)
    let error = checkpointError {
      try SafetensorsFile(path).read("b.long", into: Buffer(count: Self.longCount))
    }
    #expect(error?.code == .damaged)
    #expect(error?.path == path)
    #expect(error?.tensor == "b.long")
  }
}
