namespace Vireo.Core.Contract;

/// <summary>A network device whose largest packet is set by its home.</summary>
public interface IMtuDevice
{
    /// <summary>Sets the largest packet.</summary>
    /// <param name="mtuBytes">Length in bytes.</param>
    /// <returns>False when the device cannot do that; nothing has changed then.</returns>
    bool TrySetMtu(ushort mtuBytes);
}
