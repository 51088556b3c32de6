using Vireo.Core.Transports.Mmio;

namespace Vireo.Tests.Core.Transports.Mmio;

/// <summary>Reaches registers in this process.</summary>
internal sealed class RegistersAccess(MmioRegisters registers) : IMmioAccess
{
    public void Read(ulong offset, Span<byte> destination) => registers.Read(offset, destination);

    public void Write(ulong offset, ReadOnlySpan<byte> source) => registers.Write(offset, source);
}
