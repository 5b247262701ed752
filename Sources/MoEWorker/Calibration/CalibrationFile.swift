import Checkpoints
package import Communication
import Foundation
package import Planning

/// A calibration as it is kept in a file.
package struct CalibrationFile: Codable {
  private let format: String
  let key: CalibrationKey
  package let machine: MachineModel

  private static let currentFormat = "switchyard calibration 2"
  private static let largestByteCount = 1 << 20

  init(_ machine: MachineModel, key: CalibrationKey) {
    format = Self.currentFormat
    self.key = key
    self.machine = machine
  }

  /// Reads a file, trusting nothing in it.
  init(reading path: String) throws {
    try self.init(json: try LocalFileSystem().contents(of: path, limit: Self.largestByteCount), path: path)
  }

  /// Reads a file's content.
  package init(json bytes: [UInt8], path: String) throws(Refusal) {
    do { self = try JSONDecoder().decode(CalibrationFile.self, from: Data(bytes)) } catch {
      throw Refusal(.invalidData, "\(path): this is no calibration; make one with --calibrate")
    }
    guard format == Self.currentFormat else {
      throw Refusal(.invalidData, "\(path): a calibration of another format; make a new one with --calibrate")
    }
    if let defect = machine.defect {
      throw Refusal(.invalidData, "\(path): no machine has this \(defect); calibrate anew with --calibrate")
    }
  }

  /// Writes beside the path, then renames, so that a reader never sees a part.
  func write(to path: String) throws {
    let files = LocalFileSystem()
    try files.makeDirectories(parentDirectory(of: path))
    let beside = "\(path).\(ProcessInfo.processInfo.processIdentifier)"
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    do {
      try files.writeFile(beside, Array(try encoder.encode(self)))
      try files.rename(beside, to: path)
    } catch {
      try? files.removeFile(beside)
      throw error
    }
  }
}
