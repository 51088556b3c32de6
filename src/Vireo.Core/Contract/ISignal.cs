namespace Vireo.Core.Contract;

/// <summary>A way to tell the other side that something happened: a kick or a call.</summary>
/// <remarks>An event descriptor almost always; an ioctl in VDUSE, a level interrupt in MMIO. Any thread may notify.</remarks>
public interface ISignal
{
    /// <summary>Tells the other side. Never blocks, never throws; repeated notices may be merged into one.</summary>
    void Notify();
}
