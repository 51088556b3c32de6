namespace Vireo.Core.Transports.Pci;

/// <summary>What a PCI function asks of whoever routes its accesses.</summary>
public interface IPciHost : ILineHost
{
    /// <summary>Sends the message of an MSI-X vector. Any thread; never blocks, never throws.</summary>
    /// <param name="vector">Which vector; below <see cref="PciFunction.VectorCount"/>, and not masked by the function's own table.</param>
    void CallVector(int vector);
}
