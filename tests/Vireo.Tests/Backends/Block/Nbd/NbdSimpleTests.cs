using Vireo.Backends.Block.Nbd;

namespace Vireo.Tests.Backends.Block.Nbd;

/// <summary>A server that knows no structured replies and no stable writes.</summary>
public sealed class NbdSimpleTests : NbdDiskTests
{
    private protected override FakeNbdServer MakeServer(long lengthBytes) =>
        new(lengthBytes)
        {
            IsStructured = false,
            Flags = NbdExportFlags.HasFlags | NbdExportFlags.Flush | NbdExportFlags.Trim | NbdExportFlags.WriteZeroes,
        };
}
